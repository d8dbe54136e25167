"""The keys that sign and verify tokens. Each is bound by its `kid` to one algorithm.

A ring is a value: it never changes, and is replaced as a whole (RFC 8725 §3.1, ASVS 11.2.2).
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError, InvalidTokenError

from ..config import Algorithm
from ..errors import Unavailable
from .pem import PrivateKey, PublicKey

_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
"""The members that make a public key, in the order that its thumbprint wants (RFC 7638 §3.2)."""


@dataclass(frozen=True)
class Key:
    """One key, loaded once, ready for PyJWT. For HS256 the same secret signs and verifies."""

    kid: str
    algorithm: Algorithm
    verifying: str | PublicKey = field(repr=False)
    signing: str | PrivateKey | None = field(default=None, repr=False)
    """None where only its public half is known."""
    jwk: Mapping[str, str] | None = field(default=None, repr=False)
    """The public half as JSON Web Key (RFC 7517); None for a secret, which has none."""


class UnknownKey(InvalidTokenError):
    """The header names no key of ours, or another algorithm than that key's."""


class UnknownKid(UnknownKey):
    """No key of that name: perhaps not yet."""


class KeyRing:
    """The keys that verify, and the one among them that signs."""

    def __init__(
        self, signing: Key | None, others: Sequence[Key] = (), *, unreadable: Sequence[str] = ()
    ) -> None:
        """Raises ValueError for a key that cannot sign, or one that is there twice.

        `unreadable` are names of keys that are ours, and that this process cannot open.
        """
        keys = (signing, *others) if signing else tuple(others)
        self._signing = signing
        self._by_kid: Mapping[str, Key] = {key.kid: key for key in keys}
        self.unreadable = frozenset(unreadable)
        if signing is not None and signing.signing is None:
            raise ValueError("the key that signs has no private half")
        if len(self._by_kid) != len(keys):
            raise ValueError("a key is in the ring twice")

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_kid.values())

    def get(self, kid: str) -> Key | None:
        return self._by_kid.get(kid)

    @property
    def can_sign(self) -> bool:
        return self._signing is not None

    @property
    def signing(self) -> Key:
        """The key that signs. Raises Unavailable where there is none."""
        if self._signing is None:
            raise Unavailable()
        return self._signing

    def verifying(self, header: Mapping[str, Any]) -> Key:
        """Return the key that a token's header names. Raises UnknownKey, UnknownKid, Unavailable.

        The algorithm is the key's, never the header's: a token that names another one is refused
        before anything is computed with it (RFC 8725 §3.1, ASVS 9.1.2).
        """
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise UnknownKey("no name")
        if kid in self.unreadable:
            raise Unavailable()  # its token may be good: nobody is thrown out
        key = self._by_kid.get(kid)
        if key is None:
            raise UnknownKid("no such key")
        if header.get("alg") != key.algorithm:
            raise UnknownKey("another algorithm")
        return key

    def jwk_set(self) -> dict[str, Any]:
        """Return the public keys as JSON Web Key Set (RFC 7517 §5). Secrets have no place in it."""
        return {"keys": [dict(key.jwk) for key in self if key.jwk is not None]}


def secret_key(secret: str) -> Key:
    """Return the HS256 key of a secret. Raises ValueError for what cannot be one."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        raise ValueError("is no secret for HS256") from None
    digest = hashlib.sha256(b"carelink kid" + secret.encode()).digest()
    return Key(_base64url(digest[:6]), "HS256", secret, secret)


def pair_key(key: PrivateKey | PublicKey) -> Key:
    """Return the key of a pair, or of its public half alone."""
    private = key if isinstance(key, PrivateKey) else None
    public = key.public_key() if isinstance(key, PrivateKey) else key
    algorithm: Algorithm = "RS256" if isinstance(public, RSAPublicKey) else "EdDSA"
    members = _public_members(public)
    kid = _thumbprint(members)
    jwk = members | {"kid": kid, "alg": algorithm, "use": "sig"}
    return Key(kid, algorithm, public, private, jwk)


def _public_members(public: PublicKey) -> dict[str, str]:
    if isinstance(public, Ed25519PublicKey):
        jwk: Mapping[str, str] = OKPAlgorithm.to_jwk(public, as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    return {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}


def _thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638 §3: the digest of the members in their order, without any space."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
