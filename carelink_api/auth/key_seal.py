"""Keys at rest: AES-256-GCM under a key derived from the signing secret (RFC 5116, RFC 5869)."""

import os
from collections.abc import Sequence
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ..config import Settings
from . import pem
from .keys import Key, pair_key, secret_key

_PURPOSE = b"carelink signing keys 1"
_NONCE_BYTES = 12


class NotSealedHere(ValueError):
    """None of the secrets opens it, or it is not what its row says."""


class KeySeal:
    """Seals with the first of its secrets, and opens what any of them has sealed."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    @classmethod
    def from_settings(cls, settings: Settings) -> "KeySeal":
        """The secret, and the former ones that are still listed."""
        return cls(settings.jwt_secrets)

    def seal(self, key: Key) -> bytes:
        """Return the key, sealed. Name and algorithm are bound to it: rows cannot be swapped."""
        nonce, bound = os.urandom(_NONCE_BYTES), _bound(key.kid, key.algorithm)
        return nonce + self._ciphers[0].encrypt(nonce, _content(key), bound)

    def open(self, kid: str, algorithm: str, sealed: bytes) -> Key:
        """Return the key of a row. Raises NotSealedHere."""
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                opened = cipher.decrypt(nonce, content, _bound(kid, algorithm))
            except (InvalidTag, ValueError):  # ValueError: too short to be anything
                continue
            key = _key(algorithm, opened.decode())
            if (key.kid, key.algorithm) == (kid, algorithm):
                return key
        raise NotSealedHere(kid)

    @cached_property
    def _ciphers(self) -> tuple[AESGCM, ...]:
        derived = (
            HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret.encode())
            for secret in self._secrets
        )
        return tuple(AESGCM(key) for key in derived)


def _bound(kid: str, algorithm: str) -> bytes:
    return f"{kid} {algorithm}".encode()


def _content(key: Key) -> bytes:
    if isinstance(key.verifying, str):
        return key.verifying.encode()
    if isinstance(key.signing, pem.PrivateKey):
        return key.signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _key(algorithm: str, opened: str) -> Key:
    return secret_key(opened) if algorithm == "HS256" else pair_key(pem.load(opened))
