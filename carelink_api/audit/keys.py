"""The keys of the audit trail. Only the housekeeper and `audit verify` need them.

Each is derived from one secret (RFC 5869): the signing secret, or better a file of its own, which
the workers need not be able to read.
"""

import hmac
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..config import PREFIX, Settings, UnsafeSettings
from ..signing_secret import secret_fault
from .chain import Statement, seal


class Vouched(Protocol):
    """What says of itself what is sealed of it, its purpose first."""

    def signed_bytes(self) -> bytes: ...


@dataclass(frozen=True)
class AuditKey:
    """One secret's keys: for seals and for signatures."""

    secret: bytes

    @cached_property
    def mac(self) -> bytes:
        return self._derived(b"carelink audit seal 1")

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._derived(b"carelink audit checkpoint 1"))

    @cached_property
    def public(self) -> bytes:
        """What others need to check a checkpoint."""
        return self.signer.public_key().public_bytes_raw()

    @cached_property
    def id(self) -> str:
        return sha256(self.public).hexdigest()[:16]

    def sign(self, statement: Statement) -> bytes:
        return self.signer.sign(statement.signed_bytes())

    def has_signed(self, statement: Statement, signature: bytes) -> bool:
        try:
            self.signer.public_key().verify(signature, statement.signed_bytes())
        except InvalidSignature:
            return False
        return True

    def has_sealed(self, head: bytes, sealed: bytes) -> bool:
        return hmac.compare_digest(seal(self.mac, head), sealed)

    def vouch(self, told: Vouched) -> bytes:
        """Return what only who has the key can write under what was told."""
        return hmac.digest(self.mac, told.signed_bytes(), "sha256")

    def has_vouched(self, told: Vouched, seal_of_it: bytes) -> bool:
        return hmac.compare_digest(self.vouch(told), seal_of_it)

    def _derived(self, purpose: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=purpose).derive(self.secret)

    def __repr__(self) -> str:
        return f"AuditKey({self.id})"


@dataclass(frozen=True)
class AuditKeys:
    """The key that seals now, and all that can check what was sealed before, by their ids."""

    current: AuditKey
    known: dict[str, AuditKey]

    def have_sealed(self, key_id: str, head: bytes, sealed: bytes) -> bool:
        """Say whether the key of that id is here, and has sealed this head."""
        key = self.known.get(key_id)
        return key is not None and key.has_sealed(head, sealed)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read the files that the settings name. Raises UnsafeSettings.

        Where the key has a file, none is derived from a secret that every worker has, not even to
        check with: such a secret would rewrite the trail (an old one may stand in a file).
        """
        if settings.audit_key_file:
            secrets = [_kept_in("AUDIT_KEY_FILE", settings.audit_key_file)]
        else:
            secrets = [each.encode() for each in settings.jwt_secrets if each]
        for path in settings.audit_old_key_files:
            secrets.append(_kept_in("AUDIT_OLD_KEY_FILES", path))
        keys = [AuditKey(secret) for secret in secrets]
        return cls(keys[0], {key.id: key for key in reversed(keys)})


def _kept_in(setting: str, path: str) -> bytes:
    try:
        text = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise UnsafeSettings(f"{PREFIX}{setting} names a file that cannot be read.") from None
    if fault := secret_fault(text):
        raise UnsafeSettings(f"{PREFIX}{setting} names a file whose secret {fault}.")
    return text.encode()
