"""Every setting, typed, read from the environment once and checked at start.

Environment variables carry the prefix `CARELINK_`; `__` nests. Text is taken as it stands, booleans
are true/false in any case, numbers and lists are JSON. What is unknown, malformed or unsafe stops
the start with one sentence that names it (ASVS 13.1.1).
"""

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from .config_faults import malformed, unknown
from .database_uri import settled_uri
from .session_profiles import SessionProfiles
from .signing_secret import kept_secret, secret_fault

PREFIX = "CARELINK_"
UserTypeName = Literal["patient", "doctor", "nurse", "researcher", "admin", "ops"]
RetentionClassName = Literal["security", "access", "clinical", "administrative"]
RetentionDays = Annotated[int, Field(ge=180)]
Algorithm = Literal["HS256", "RS256", "EdDSA"]
_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", re.A | re.I)
OWASP_LEAST_KIB = {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}
"""argon2id with one lane: least memory by iterations (OWASP Password Storage)."""


class UnsafeSettings(Exception):
    """The settings do not allow a start. The message is one sentence for the operator."""


def _true_or_false(value: Any) -> Any:
    if isinstance(value, str) and value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value


Flag = Annotated[bool, BeforeValidator(_true_or_false)]


class Settings(BaseSettings):
    """The running configuration. Build it with `load`, which adds the checks of `env`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    env: Literal["production", "development"] = "production"
    # What may hold a password or a key has no repr.
    sqlalchemy_database_uri: str = Field("", repr=False)
    redis_url: str = Field("", repr=False)
    jwt_secret_key: SecretStr = SecretStr("")
    jwt_algorithm: Algorithm = "HS256"
    jwt_signing_key: SecretStr = SecretStr("")
    jwt_verifying_keys: list[str] = Field([], repr=False)
    jwt_verifying_secrets: list[str] = Field([], repr=False)
    jwt_decode_leeway: int = Field(10, ge=0, le=30)
    jwt_encode_issuer: str = Field("carelink", min_length=1)
    jwt_encode_audience: str = Field("carelink-api", min_length=1)
    identity_claims: Literal["full", "minimal"] = "full"
    denylist_check: Literal["memory", "redis"] = "memory"

    rotate_refresh_tokens: Flag = True
    rotation_grace_seconds: int = Field(10, ge=0, le=120)
    lost_response_window_seconds: int = Field(900, ge=0, le=3600)
    session_profiles: SessionProfiles = SessionProfiles()
    shift_bound_user_types: list[UserTypeName] = ["nurse"]
    shift_handoff_seconds: int = Field(1800, ge=0, le=4 * 3600)
    shift_early_login_seconds: int = Field(1800, ge=0, le=4 * 3600)
    break_glass_seconds: int = Field(3600, ge=60, le=4 * 3600)
    max_sessions_per_user: int = Field(20, ge=1, le=1000)

    password_hash_memory_kib: int = Field(19456, ge=64)
    password_hash_iterations: int = Field(2, ge=1, le=20)

    fhir_mrn_system: str = Field(
        "urn:carelink:mrn", pattern=r"^(urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:|https?://)[!-~]{1,200}$"
    )

    ratelimit_enabled: Flag = True
    cors_origins: list[str] = []
    redis_attested: list[Literal["noeviction", "appendonly"]] = []
    trusted_proxies: int = Field(0, ge=0, le=10)
    max_content_length: int = Field(64 * 1024, ge=1024, le=16 * 1024 * 1024)
    audit_key_file: str = ""
    audit_old_key_files: list[str] = []
    audit_seal_seconds: int = Field(10, ge=1, le=3600)
    audit_checkpoint_seconds: int = Field(300, ge=1, le=24 * 3600)
    audit_checkpoint_file: str = ""
    audit_ship_url: str = Field("", pattern=r"^(https?://[^\s#]+)?$", repr=False)
    audit_ship_token: SecretStr = SecretStr("")
    audit_retention_days: int = Field(2192, ge=180)
    audit_retention_days_by_class: dict[RetentionClassName, RetentionDays] = {}
    session_retention_days: int = Field(90, ge=31)

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    secrets_dir: str = ""

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The signing secret, and the former ones that are still listed."""
        return (self.jwt_secret_key.get_secret_value(), *self.jwt_verifying_secrets)

    @property
    def leeway(self) -> timedelta:
        """Clock-skew allowance on `exp`, `nbf` and `iat`, and on nothing else."""
        return timedelta(seconds=self.jwt_decode_leeway)

    @property
    def rotation_grace(self) -> timedelta:
        return timedelta(seconds=self.rotation_grace_seconds)

    @property
    def lost_response_window(self) -> timedelta:
        return timedelta(seconds=self.lost_response_window_seconds)

    @property
    def shift_handoff(self) -> timedelta:
        return timedelta(seconds=self.shift_handoff_seconds)

    @property
    def shift_early_login(self) -> timedelta:
        return timedelta(seconds=self.shift_early_login_seconds)

    @property
    def break_glass(self) -> timedelta:
        return timedelta(seconds=self.break_glass_seconds)

    @property
    def named_origins(self) -> frozenset[str]:
        """The origins whose pages may send cookies: listed by name, as browsers write them."""
        return frozenset(each.lower() for each in self.cors_origins if is_exact_origin(each))

    @property
    def audit_seal_interval(self) -> timedelta:
        return timedelta(seconds=self.audit_seal_seconds)

    @property
    def audit_checkpoint_interval(self) -> timedelta:
        return timedelta(seconds=self.audit_checkpoint_seconds)

    @property
    def audit_retention(self) -> timedelta:
        return timedelta(days=self.audit_retention_days)

    @property
    def audit_retention_by_class(self) -> dict[RetentionClassName, timedelta]:
        days = self.audit_retention_days_by_class
        return {name: timedelta(days=count) for name, count in days.items()}

    @property
    def session_retention(self) -> timedelta:
        return timedelta(days=self.session_retention_days)

    @property
    def hashes_weakly(self) -> bool:
        """Whether argon2id's parameters are below OWASP's least for one lane."""
        iterations = min(self.password_hash_iterations, max(OWASP_LEAST_KIB))
        return self.password_hash_memory_kib < OWASP_LEAST_KIB[iterations]

    @classmethod
    def load(cls, instance: Path, **overrides: Any) -> Self:
        """Read the environment, fill in development's defaults, and refuse what is unsafe.

        Raises UnsafeSettings.
        """
        _refuse_unknown(os.environ)
        try:
            settings = cls(**dict(overrides, _secrets_dir=_secrets_folder()))
        except ValidationError as error:
            raise UnsafeSettings(f"{PREFIX}{malformed(error)}") from None
        except OSError:
            raise UnsafeSettings(
                "CARELINK_SECRETS_DIR must name a folder whose files can be read."
            ) from None
        except SettingsError as error:  # a list or a nested value that is no JSON
            name = str(error).split('"')[1].upper()
            raise UnsafeSettings(
                f"{PREFIX}{name} is malformed: it must be JSON, such as {_example(name)}."
            ) from None
        if settings.is_production:
            settings._check_production()
            return settings._normalised(instance)
        return settings._with_development_defaults(instance)._normalised(instance)

    def _with_development_defaults(self, instance: Path) -> Self:
        defaults: dict[str, Any] = {}
        if not self.sqlalchemy_database_uri:
            defaults["sqlalchemy_database_uri"] = f"sqlite:///{instance / 'carelink.db'}"
        if not self.jwt_secret_key.get_secret_value():
            try:
                defaults["jwt_secret_key"] = SecretStr(kept_secret(instance / "jwt_secret"))
            except ValueError as fault:
                raise UnsafeSettings(f"{fault}.") from None
        return self.model_copy(update=defaults)

    def _normalised(self, instance: Path) -> Self:
        try:
            uri = settled_uri(self.sqlalchemy_database_uri, instance)
        except ValueError as fault:
            raise UnsafeSettings(f"CARELINK_SQLALCHEMY_DATABASE_URI {fault}.") from None
        return self.model_copy(update={"sqlalchemy_database_uri": uri})

    def _check_production(self) -> None:
        missing = [
            PREFIX + name.upper()
            for name in ("sqlalchemy_database_uri", "redis_url", "jwt_secret_key")
            if not _plain(getattr(self, name))
        ]
        if missing:
            raise UnsafeSettings(
                f"CareLink does not start in production without {', '.join(missing)}; "
                "to try it out on this machine use `make run`, or set CARELINK_ENV=development."
            )
        if fault := secret_fault(self.jwt_secret_key.get_secret_value()):
            raise UnsafeSettings(
                f"CARELINK_JWT_SECRET_KEY {fault}; make one with "
                '`python -c "import secrets; print(secrets.token_urlsafe(48))"`.'
            )
        if self.hashes_weakly:
            raise UnsafeSettings(
                "CARELINK_PASSWORD_HASH_MEMORY_KIB and CARELINK_PASSWORD_HASH_ITERATIONS are "
                "weaker than OWASP's least for argon2id (19456 KiB with 2, 12288 with 3)."
            )
        if self.audit_ship_url and not self.audit_ship_url.startswith("https://"):
            raise UnsafeSettings(
                "CARELINK_AUDIT_SHIP_URL must be an https URL in production: events name people."
            )
        if not all(is_exact_origin(origin) for origin in self.cors_origins):
            raise UnsafeSettings(
                "CARELINK_CORS_ORIGINS must list exact origins such as https://app.example, "
                "never * and no path."
            )
        if any(origin.lower().startswith("http://") for origin in self.cors_origins):
            raise UnsafeSettings(
                "CARELINK_CORS_ORIGINS lists an origin of plain http: whoever is on the network "
                "can change that page; list https origins only."
            )
        if not self.ratelimit_enabled:
            raise UnsafeSettings(
                "CARELINK_RATELIMIT_ENABLED=false lets passwords be tried as fast as the server "
                "answers; production does not start with it, remove the setting."
            )


def is_exact_origin(origin: str) -> bool:
    """Say whether it is scheme, host and port only: anything else would be read as a pattern."""
    return _ORIGIN.fullmatch(origin) is not None


def _example(name: str) -> str:
    """Return what a list of this setting could be."""
    examples = {
        "SHIFT_BOUND_USER_TYPES": '["nurse"]',
        "REDIS_ATTESTED": '["noeviction", "appendonly"]',
        "AUDIT_RETENTION_DAYS_BY_CLASS": '{"access": 1096}',
        "AUDIT_OLD_KEY_FILES": '["/run/secrets/audit-2026"]',
    }
    return examples.get(name, '["https://app.example"]')


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _secrets_folder() -> Path | None:
    """Return the folder whose files are settings, too: a file is named like the variable.

    Raises OSError, and UnsafeSettings for a file that is no setting.
    """
    if not (named := os.environ.get(PREFIX + "SECRETS_DIR")):
        return None
    _refuse_unknown(file.name for file in Path(named).iterdir())
    return Path(named)


def _refuse_unknown(names: Iterable[str]) -> None:
    profiles = SessionProfiles.names("session_profiles")
    known = {name.upper() for name in (*Settings.model_fields, *profiles)}
    seen: dict[str, str] = {}
    for name in names:
        upper = name.upper()
        if upper.startswith(PREFIX) and seen.setdefault(upper, name) != name:
            raise UnsafeSettings(f"{seen[upper]} and {name} are the same setting; keep one.")
        if upper.startswith(PREFIX) and upper.removeprefix(PREFIX) not in known:
            raise UnsafeSettings(PREFIX + unknown(name[len(PREFIX) :], known, PREFIX))
