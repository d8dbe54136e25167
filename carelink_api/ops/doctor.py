"""The doctor's rules on settings: pure functions, each a finding on one of them."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from .. import redis_client
from ..config import Settings, is_exact_origin
from .doctor_files import check_files
from .doctor_keys import check_key_length, check_keys, check_old_secrets, check_secret
from .findings import Finding, fine, unsafe_in_production, warn

_LONG_GRACE = timedelta(seconds=30)
_CERTAIN_TLS = "rediss://"


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


_CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    check_environment,
    check_secret,
    check_keys,
    check_key_length,
    check_old_secrets,
    check_files,
    check_password_hash,
    check_cors,
    check_proxies,
    check_throttles,
    check_rotation,
    check_grace,
    check_lost_response,
    check_redis_url,
)
