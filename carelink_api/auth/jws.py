"""One look at a token's header, then one decode and one signature check (RFC 7515 §5.2); and the
way back, for tokens that are minted by the hundred a second.

Flask-JWT-Extended's `decode_token` parses a token three times, and keeps the header to itself;
PyJWT parses the header again and looks at each character. Its algorithms are what all of them rest
on, and what is asked here.
"""

import base64
from typing import Any

import orjson
from jwt import InvalidSignatureError, PyJWS
from jwt.algorithms import HMACAlgorithm

from .. import strict_json
from .keys import Key, KeyRing

Members = dict[str, Any]
_HEADER = {"alg", "kid", "typ"}


class _PreparedHmac(HMACAlgorithm):
    """HS256 with a secret that was examined when its ring was built, instead of at every use."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return key.encode() if isinstance(key, str) else key


_jws = PyJWS(algorithms=["RS256", "EdDSA"])  # `none` is not among them, nor any other
_jws.register_algorithm("HS256", _PreparedHmac(HMACAlgorithm.SHA256))


def verified(token: str, ring: KeyRing) -> tuple[Members, Members]:
    """Return header and payload of a token that a key of the ring has signed.

    Raises ValueError, TypeError, RecursionError or PyJWTError for any other. A header holds what
    ours hold and nothing else: no key, no address of one, nothing critical (RFC 8725 §3.10).
    """
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    header = _members(_decoded(head))
    if header.keys() != _HEADER:
        raise ValueError("header")
    key = ring.verifying(header)
    algorithm = _jws.get_algorithm_by_name(key.algorithm)
    prepared = algorithm.prepare_key(key.verifying)
    if not algorithm.verify(signed.encode("ascii"), prepared, _decoded(signature)):
        raise InvalidSignatureError("signature")
    return header, _members(_decoded(payload))


def signed(header: Members, payload: Members, key: Key) -> str:
    """Return a token that this key has signed (RFC 7515 §5.1)."""
    text = f"{_encoded(orjson.dumps(header))}.{_encoded(orjson.dumps(payload))}"
    algorithm = _jws.get_algorithm_by_name(key.algorithm)
    signature = algorithm.sign(text.encode("ascii"), algorithm.prepare_key(key.signing))
    return f"{text}.{_encoded(signature)}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode("ascii")


def _decoded(segment: str) -> bytes:
    """Read base64url in its one spelling: no padding, no stray bits (RFC 7515 §2)."""
    found = base64.urlsafe_b64decode(segment + "==")
    if base64.urlsafe_b64encode(found).rstrip(b"=") != segment.encode("ascii"):
        raise ValueError("base64url")
    return found


def _members(text: bytes) -> Members:
    found = strict_json.loads(text)  # refuses a claim that stands twice (RFC 7519 §4)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
