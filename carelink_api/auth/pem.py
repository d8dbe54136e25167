"""Asymmetric keys in PEM, as a setting brings them: what is read, and what makes one unfit."""

import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey

LEAST_RSA_BITS = 2048
"""RFC 7518 §3.3."""
LASTING_RSA_BITS = 3072
"""What NIST SP 800-57 part 1 asks for after 2030: 128 bits of strength."""
_LEAST_EXPONENT = 65537
_BEGIN, _PRIVATE = "-----BEGIN ", "PRIVATE KEY-----"


def load(given: str) -> PrivateKey | PublicKey:
    """Return the key of a PEM text, or of the file at that path.

    Raises ValueError with what is wrong, never with what was read.
    """
    key = _parsed(_text(given))
    if isinstance(key, RSAPrivateKey | RSAPublicKey):
        _refuse_weak(key)
    return key


def is_exposed(given: str) -> bool:
    """Say whether this is a file with a private key that every account of the machine can open."""
    if _is_text(given):
        return False
    open_to_all = Path(given).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
    return bool(open_to_all) and _PRIVATE in _text(given)


def _is_text(given: str) -> bool:
    return given.lstrip().startswith(_BEGIN)


def _text(given: str) -> str:
    if _is_text(given):
        return given.strip().replace("\\n", "\n")  # as files of variables write a line's end
    try:
        return Path(given).read_bytes().decode("latin-1")  # remarks between keys may be in any
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ValueError(f"names a file that cannot be read ({why})") from None


def _parsed(text: str) -> PrivateKey | PublicKey:
    data = text.encode()
    try:
        if _PRIVATE in text:
            key: object = load_pem_private_key(data, password=None)
        else:
            key = load_pem_public_key(data)
    except TypeError:
        raise ValueError("is encrypted, and nobody could type its password at the start") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no key in PEM") from None
    if not isinstance(key, PrivateKey | PublicKey):
        raise ValueError("is neither an RSA nor an Ed25519 key")
    return key


def _refuse_weak(key: RSAPrivateKey | RSAPublicKey) -> None:
    if key.key_size < LEAST_RSA_BITS:
        raise ValueError(
            f"is an RSA key of {key.key_size} bits; {LEAST_RSA_BITS} are the least, "
            f"{LASTING_RSA_BITS} last longer"
        )
    public = key.public_key() if isinstance(key, RSAPrivateKey) else key
    if public.public_numbers().e < _LEAST_EXPONENT:
        raise ValueError(f"is an RSA key whose exponent is below {_LEAST_EXPONENT} (FIPS 186-5)")
