"""The doctor's rules on what signs and verifies tokens. They read the files that settings name."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..auth import pem
from ..auth.key_settings import key_ring
from ..auth.keys import Key
from ..config import Settings, UnsafeSettings
from ..signing_secret import secret_fault
from .findings import Finding, fine, unsafe, unsafe_in_production, warn


def check_secret(settings: Settings) -> Finding:
    fault = secret_fault(settings.jwt_secret_key.get_secret_value())
    if fault is None:
        return fine("secret", "long enough, and not guessable at sight")
    return unsafe_in_production(
        settings,
        "secret",
        f"CARELINK_JWT_SECRET_KEY {fault}.",
        "Whoever guesses it makes tokens for any user (RFC 8725 §3.5).",
        'Make one: python -c "import secrets; print(secrets.token_urlsafe(48))"',
    )


def check_keys(settings: Settings) -> Finding:
    """Judge whether the ring that settings name can be read, and who else can read it."""
    name = "keys in the settings"
    try:
        ring = key_ring(settings)
    except UnsafeSettings as fault:
        return unsafe(name, str(fault), "CareLink does not start with it.", "Mend that setting.")
    given = [settings.jwt_signing_key.get_secret_value(), *settings.jwt_verifying_keys]
    exposed = [each for each in given if each and pem.is_exposed(each)]
    if not exposed:
        return fine(name, f"{ring.signing.algorithm} to sign; {len(list(ring))} to verify")
    return unsafe_in_production(
        settings,
        name,
        f"Everybody on this machine can open {', '.join(exposed)}.",
        "Whoever holds a private key makes tokens for any user; production refuses such a file.",
        "Give it to the account that runs CareLink, with mode 0400.",
    )


def check_key_length(settings: Settings) -> Finding:
    """Judge the shortest RSA key that settings name."""
    return judge_length("length of keys in the settings", shortest_rsa(_ring(settings)))


def shortest_rsa(keys: Iterable[Key]) -> int | None:
    """Return the bits of the shortest RSA key; None where there is none."""
    verifying = (key.verifying for key in keys)
    return min((key.key_size for key in verifying if isinstance(key, RSAPublicKey)), default=None)


def judge_length(name: str, rsa_bits: int | None) -> Finding:
    """Judge a ring by its shortest RSA key."""
    if rsa_bits is None or rsa_bits >= pem.LASTING_RSA_BITS:
        return fine(name, "good beyond 2030")
    return warn(
        name,
        f"An RSA key of {rsa_bits} bits.",
        f"It is good until 2030; {pem.LASTING_RSA_BITS} bits are asked for after that "
        "(NIST SP 800-57).",
        "Move to EdDSA, which also signs faster (docs/operations.md, Keys).",
    )


def check_old_secrets(settings: Settings) -> Finding:
    """Judge whether a shared secret still makes tokens beside a key pair."""
    name = "old secrets in the settings"
    if settings.jwt_algorithm == "HS256" or not settings.jwt_verifying_secrets:
        return fine(name, "none beside a key pair")
    return warn(
        name,
        "CARELINK_JWT_VERIFYING_SECRETS admits tokens that a shared secret has signed.",
        "Whoever has it still makes tokens for any user, which the key pair was to end.",
        "Remove it once the longest session from before the change is over (a day, by default).",
    )


def _ring(settings: Settings) -> list[Key]:
    try:
        return list(key_ring(settings))
    except UnsafeSettings:
        return []  # `check_keys` says so
