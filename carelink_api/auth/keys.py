"""The keys that sign tokens. Each is bound by its `kid` to one algorithm (RFC 8725 §3.1)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt.exceptions import InvalidTokenError

from ..config import Settings


@dataclass(frozen=True)
class Key:
    """One key, loaded once. For HS256 the same secret signs and verifies."""

    kid: str
    algorithm: str
    signing: str
    verifying: str


class UnknownKey(InvalidTokenError):
    """The header names no key of ours, or another algorithm than that key's."""


class KeyRing:
    """The keys that verify, and the one that signs."""

    def __init__(self, signing: Key) -> None:
        self.signing = signing
        self._by_kid: Mapping[str, Key] = {signing.kid: signing}

    @classmethod
    def from_settings(cls, settings: Settings) -> "KeyRing":
        secret = settings.jwt_secret_key.get_secret_value()
        digest = hashlib.sha256(b"carelink kid" + secret.encode()).digest()
        kid = base64.urlsafe_b64encode(digest[:6]).decode()
        return cls(Key(kid, settings.jwt_algorithm, secret, secret))

    def verifying(self, header: Mapping[str, Any]) -> Key:
        """Return the key that a token's header names. Raises UnknownKey.

        The algorithm is the key's, never the header's: a token that names another one is refused
        before anything is computed with it (RFC 8725 §3.1, ASVS 9.1.2).
        """
        kid = header.get("kid")
        key = self._by_kid.get(kid) if isinstance(kid, str) else None
        if key is None or header.get("alg") != key.algorithm:
            raise UnknownKey("no such key")
        return key
