"""Which keys the settings name. Each fault is one sentence for the operator (decision 10)."""

from collections.abc import Iterator

from ..config import PREFIX, Settings, UnsafeSettings
from ..signing_secret import secret_fault
from . import pem
from .keys import Key, KeyRing, pair_key, secret_key

_NEW_KEY = {
    "EdDSA": "openssl genpkey -algorithm ed25519 -out signing.pem",
    "RS256": "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out signing.pem",
}


def key_ring(settings: Settings) -> KeyRing:
    """Read every key that the settings name. Raises UnsafeSettings with one sentence."""
    ring = [_signing_key(settings), *_other_keys(settings)]
    kids = [key.kid for key in ring]
    for kid in kids:
        if kids.count(kid) > 1:
            raise UnsafeSettings(
                f"{PREFIX}JWT_VERIFYING_KEYS or {PREFIX}JWT_VERIFYING_SECRETS repeats a key "
                f"(kid {kid}): name each key once, and the one that signs nowhere else."
            )
    return KeyRing(ring[0], ring[1:])


def _signing_key(settings: Settings) -> Key:
    name, wanted = f"{PREFIX}JWT_SIGNING_KEY", settings.jwt_algorithm
    given = settings.jwt_signing_key.get_secret_value()
    if wanted == "HS256":
        if given:
            raise UnsafeSettings(
                f"{name} is set, but with {PREFIX}JWT_ALGORITHM=HS256 it is "
                f"{PREFIX}JWT_SECRET_KEY that signs; set RS256 or EdDSA, or remove it."
            )
        return _secret("JWT_SECRET_KEY", settings.jwt_secret_key.get_secret_value())
    if not given:
        raise UnsafeSettings(
            f"{name} is missing: {PREFIX}JWT_ALGORITHM={wanted} signs with a private key; make one "
            f"with `{_NEW_KEY[wanted]}`, and set its path."
        )
    key = _pem("JWT_SIGNING_KEY", given, settings)
    if key.signing is None:
        raise UnsafeSettings(f"{name} is a public key, which cannot sign; set the private one.")
    if key.algorithm != wanted:
        raise UnsafeSettings(
            f"{name} is a key for {key.algorithm}, but {PREFIX}JWT_ALGORITHM is {wanted}; set both "
            "to the same."
        )
    return key


def _other_keys(settings: Settings) -> Iterator[Key]:
    for number, given in enumerate(settings.jwt_verifying_keys, 1):
        yield _pem(f"JWT_VERIFYING_KEYS, no. {number},", given, settings)
    for number, secret in enumerate(settings.jwt_verifying_secrets, 1):
        name = f"JWT_VERIFYING_SECRETS, no. {number},"
        if settings.is_production and (fault := secret_fault(secret)):
            raise UnsafeSettings(f"{PREFIX}{name} {fault}.")
        yield _secret(name, secret)


def _secret(name: str, secret: str) -> Key:
    try:
        return secret_key(secret)
    except ValueError as fault:
        raise UnsafeSettings(f"{PREFIX}{name} {fault}.") from None


def _pem(name: str, given: str, settings: Settings) -> Key:
    try:
        key = pair_key(pem.load(given))
    except ValueError as fault:
        raise UnsafeSettings(f"{PREFIX}{name} {fault}.") from None
    if settings.is_production and pem.is_exposed(given):
        raise UnsafeSettings(
            f"{PREFIX}{name} names {given}, a private key that everybody on this machine can open; "
            "give it to the account that runs CareLink and set its mode to 0400."
        )
    return key
