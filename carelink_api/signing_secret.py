"""The secret that signs tokens: what makes one too weak, and how one is kept in a file."""

import os
import secrets
from itertools import pairwise
from pathlib import Path

MIN_SECRET_BYTES = 32
"""HS256 wants a key at least as long as its hash (RFC 7518 §3.2)."""
_GUESSABLE = ("secret", "changeme", "change-me", "password", "carelink", "example", "default")


def secret_fault(secret: str) -> str | None:
    """Return what is wrong with a signing secret, or None (RFC 8725 §3.5, ASVS 11.2.3)."""
    if "-----BEGIN" in secret or secret.startswith(("ssh-", "ecdsa-")):
        return "is a key of a pair, which HS256 cannot sign with"
    if not secret.isprintable():
        return "holds a line break, or bytes that are no text"
    if len(secret.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes"
    if len(set(secret)) < 12:
        return "repeats too few different characters to be random"
    if any(word in secret.lower() for word in _GUESSABLE):
        return "contains a word that guessers try first"
    if sum(ord(after) - ord(before) == 1 for before, after in pairwise(secret)) > len(secret) / 2:
        return "counts up, which is not random"
    return None


def kept_secret(path: Path) -> str:
    """Return the secret that is kept in `path`, making it on the first call.

    Raises ValueError for a file without one: nobody must sign with an empty secret.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    with draft.open("w") as written:
        written.write(secrets.token_urlsafe(48))
        written.flush()
        os.fsync(written.fileno())  # a power cut must not leave the name without the secret
    try:
        os.link(draft, path)  # exclusive, and whole at once: several workers start together
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    kept = path.read_text().strip()
    if not kept:
        raise ValueError(f"{path} is empty; remove it, and a new secret is made")
    return kept
