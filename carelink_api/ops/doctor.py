"""The doctor's rules on settings: pure functions, each a finding on one of them.

What would be unsafe with patients' data is only a warning in development.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .. import redis_client
from ..auth import pem
from ..auth.keys import Key, KeyRing
from ..config import Settings, UnsafeSettings, is_exact_origin
from ..signing_secret import secret_fault

_LONG_GRACE = timedelta(seconds=30)
_CERTAIN_TLS = "rediss://"


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    UNSAFE = "unsafe"


@dataclass(frozen=True)
class Finding:
    """One check: what was found and, unless it is fine, why that matters and what mends it."""

    name: str
    state: State
    found: str
    why: str = ""
    mend: str = ""


def fine(name: str, found: str) -> Finding:
    return Finding(name, State.OK, found)


def warn(name: str, found: str, why: str, mend: str) -> Finding:
    return Finding(name, State.WARN, found, why, mend)


def unsafe(name: str, found: str, why: str, mend: str) -> Finding:
    return Finding(name, State.UNSAFE, found, why, mend)


def unsafe_in_production(
    settings: Settings, name: str, found: str, why: str, mend: str
) -> Finding:  # fmt: skip
    judge = unsafe if settings.is_production else warn
    return judge(name, found, why, mend)


def check_settings(settings: Settings) -> list[Finding]:
    """Return a finding for every rule on settings."""
    return [check(settings) for check in _CHECKS]


def check_environment(settings: Settings) -> Finding:
    if settings.is_production:
        return fine("environment", "production")
    return warn(
        "environment",
        "CARELINK_ENV is development.",
        "It allows plain http, demo accounts and a secret made on this machine.",
        "Set CARELINK_ENV=production wherever there are patients' data.",
    )


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
    """Judge whether the ring can be read, and who else can read it."""
    name = "signing keys"
    try:
        ring = KeyRing.from_settings(settings)
    except UnsafeSettings as fault:
        return unsafe(name, str(fault), "CareLink does not start with it.", "Mend that setting.")
    given = [settings.jwt_signing_key.get_secret_value(), *settings.jwt_verifying_keys]
    exposed = [each for each in given if each and pem.is_exposed(each)]
    if not exposed:
        return fine(name, f"{ring.signing.algorithm} signs; {len(list(ring))} verify")
    return unsafe_in_production(
        settings,
        name,
        f"Everybody on this machine can open {', '.join(exposed)}.",
        "Whoever holds a private key makes tokens for any user; production refuses such a file.",
        "Give it to the account that runs CareLink, with mode 0400.",
    )


def check_key_length(settings: Settings) -> Finding:
    """Judge the shortest RSA key of the ring."""
    name = "length of keys"
    keys = [key.verifying for key in _ring(settings)]
    sizes = [key.key_size for key in keys if isinstance(key, RSAPublicKey)]
    if min(sizes, default=pem.LASTING_RSA_BITS) >= pem.LASTING_RSA_BITS:
        return fine(name, "good beyond 2030")
    return warn(
        name,
        f"An RSA key of {min(sizes)} bits.",
        f"It is good until 2030; {pem.LASTING_RSA_BITS} bits are asked for after that "
        "(NIST SP 800-57).",
        "Move to CARELINK_JWT_ALGORITHM=EdDSA, which also signs faster (docs/operations.md).",
    )


def check_old_secrets(settings: Settings) -> Finding:
    """Judge whether a shared secret still makes tokens beside a key pair."""
    name = "old secrets"
    if settings.jwt_algorithm == "HS256" or not settings.jwt_verifying_secrets:
        return fine(name, "none beside a key pair")
    return warn(
        name,
        "CARELINK_JWT_VERIFYING_SECRETS admits tokens that a shared secret has signed.",
        "Whoever has it still makes tokens for any user, which the key pair was to end.",
        "Remove it once the longest session from before the change is over (a day, by default).",
    )


def check_password_hash(settings: Settings) -> Finding:
    memory, iterations = settings.password_hash_memory_kib, settings.password_hash_iterations
    found = f"argon2id with {memory} KiB and {iterations} iterations"
    if not settings.hashes_weakly:
        return fine("password hash", found)
    return unsafe_in_production(
        settings,
        "password hash",
        f"{found}, less than OWASP's least.",
        "A stolen table of hashes is guessed faster.",
        "Set CARELINK_PASSWORD_HASH_MEMORY_KIB=19456 and CARELINK_PASSWORD_HASH_ITERATIONS=2.",
    )


def check_cors(settings: Settings) -> Finding:
    name = "CORS origins"
    inexact = [origin for origin in settings.cors_origins if not is_exact_origin(origin)]
    if inexact:
        return unsafe_in_production(
            settings,
            name,
            f"No exact origin: {', '.join(inexact)}.",
            "A pattern admits hosts that nobody meant; a path or a last slash never matches.",
            "List scheme, host and port only, like https://ward.hospital.example.",
        )
    plain = [origin for origin in settings.cors_origins if origin.lower().startswith("http://")]
    if plain:
        return unsafe_in_production(
            settings,
            name,
            f"Plain http: {', '.join(plain)}.",
            "Whoever sits on the network can change that page, and it may call the API.",
            "List https origins only.",
        )
    return fine(name, f"{len(settings.cors_origins)} exact https origins")


def check_proxies(settings: Settings) -> Finding:
    if settings.trusted_proxies or not settings.is_production:
        return fine("trusted proxies", str(settings.trusted_proxies))
    return warn(
        "trusted proxies",
        "CARELINK_TRUSTED_PROXIES is 0.",
        "Behind a proxy that ends TLS every call is refused as plain http, and all callers "
        "share one address in throttles and audit trail.",
        "Set it to the number of proxies in front, or let the server itself speak TLS.",
    )


def check_throttles(settings: Settings) -> Finding:
    if settings.ratelimit_enabled:
        return fine("throttles", "on")
    return unsafe_in_production(
        settings,
        "throttles",
        "CARELINK_RATELIMIT_ENABLED is false.",
        "Passwords can be tried as fast as the server answers (ASVS 6.3.1).",
        "Remove the setting.",
    )


def check_rotation(settings: Settings) -> Finding:
    if settings.rotate_refresh_tokens:
        return fine("rotation", "on")
    return warn(
        "rotation",
        "CARELINK_ROTATE_REFRESH_TOKENS is false.",
        "A stolen refresh token works beside its owner's, unseen, until the session ends "
        "(ASVS 10.4.5).",
        "Remove the setting.",
    )


def check_grace(settings: Settings) -> Finding:
    grace = settings.rotation_grace
    profiles = settings.session_profiles.by_name().values()
    limit = min(_LONG_GRACE, *(profile.access for profile in profiles))
    if grace <= limit:
        return fine("grace period", f"{settings.rotation_grace_seconds} s")
    return warn(
        "grace period",
        f"{settings.rotation_grace_seconds} s, longer than parallel requests and retries need.",
        "A retired refresh token is forgiven so long, whoever shows it.",
        "Set CARELINK_ROTATION_GRACE_SECONDS=10.",
    )


def check_lost_response(settings: Settings) -> Finding:
    name, window = "lost-response window", settings.lost_response_window
    profiles = settings.session_profiles.by_name()
    cut = [each for each, profile in profiles.items() if profile.idle and profile.idle < window]
    if cut:
        return warn(
            name,
            f"{window.total_seconds():.0f} s, longer than the idle timeout of {', '.join(cut)}.",
            "There the idle timeout is the window.",
            "Set CARELINK_LOST_RESPONSE_WINDOW_SECONDS to the shortest idle timeout.",
        )
    longest = max(profile.access for profile in profiles.values())
    if window > longest:
        return warn(
            name,
            f"{window.total_seconds():.0f} s, longer than any access token lives.",
            "A client notices a lost answer when its access token expires; later, a retired "
            "refresh token is rather somebody else's.",
            "Set CARELINK_LOST_RESPONSE_WINDOW_SECONDS=900.",
        )
    return fine(name, f"{window.total_seconds():.0f} s")


def check_redis_url(settings: Settings) -> Finding:
    name = "way to Redis"
    target = redis_client.parse(settings.redis_url)
    hosts = [host for host, _ in target.nodes] or [urlsplit(target.url).hostname or ""]
    if target.url.startswith("unix://") or all(is_local(host) for host in hosts):
        return fine(name, "on this machine")
    has_password = target.password or (target.kind == "single" and urlsplit(target.url).password)
    lacks = ["a password"] if not has_password else []
    lacks += ["TLS"] if not target.url.startswith(_CERTAIN_TLS) else []
    if not lacks:
        return fine(name, "TLS and a password")
    return warn(
        name,
        f"CARELINK_REDIS_URL names another machine without {' and '.join(lacks)}.",
        "Whoever reaches that server can read and drop entries (ASVS 12.3.1, 13.2.1).",
        "Use rediss://user:password@host:port, or a network that only CareLink is on.",
    )


def is_local(host: str) -> bool:
    """Say whether `host` is this machine; empty stands for a unix socket or the default."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _ring(settings: Settings) -> list[Key]:
    try:
        return list(KeyRing.from_settings(settings))
    except UnsafeSettings:
        return []  # `check_keys` says so


_CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    check_environment,
    check_secret,
    check_keys,
    check_key_length,
    check_old_secrets,
    check_password_hash,
    check_cors,
    check_proxies,
    check_throttles,
    check_rotation,
    check_grace,
    check_lost_response,
    check_redis_url,
)
