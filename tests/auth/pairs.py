"""Key pairs for tests: made once per process, as files where a test wants files."""

import hmac
from functools import cache
from pathlib import Path
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from carelink_api.auth.pem import PrivateKey, PublicKey
from tests.auth.helpers import encoded


@cache
def ed25519_pair(_number: int = 0) -> ed25519.Ed25519PrivateKey:
    """Return a pair; another number, another pair."""
    return ed25519.Ed25519PrivateKey.generate()


@cache
def rsa_pair(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: Any, password: bytes | None = None) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    pkcs8 = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, pkcs8, encryption).decode())


def public_pem(key: Any) -> str:
    """Return the public half, of a private key too."""
    public: PublicKey = key.public_key() if hasattr(key, "public_key") else key
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def key_file(path: Path, pem: str, mode: int = 0o400) -> str:
    """Write a key where a setting can name it, and return the path."""
    path.write_text(pem)
    path.chmod(mode)
    return str(path)


def signed_by(key: PrivateKey | str | bytes, algorithm: str, header: Any, payload: Any) -> str:
    """Sign any header and payload with any key; a library refuses to sign most forgeries."""
    content = f"{encoded(header)}.{encoded(payload)}".encode()
    if isinstance(key, str | bytes):
        secret = key.encode() if isinstance(key, str) else key
        signature = hmac.digest(secret, content, "sha256")
    else:
        signature = pyjwt.get_algorithm_by_name(algorithm).sign(content, key)
    return f"{content.decode()}.{encoded(signature)}"
