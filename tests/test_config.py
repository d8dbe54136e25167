"""Settings: read once, typed, and refused with one sentence that names what is wrong."""

import json
import multiprocessing
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from carelink_api.config import PREFIX, Settings, UnsafeSettings
from carelink_api.signing_secret import secret_fault

STRONG = "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x"
PRODUCTION = {
    "SQLALCHEMY_DATABASE_URI": "postgresql://db.example/carelink",
    "REDIS_URL": "rediss://redis.example",
    "JWT_SECRET_KEY": STRONG,
}
DEVELOPMENT = {"ENV": "development"}

# Each setting as it is written in the environment, and what comes of it.
READ: list[tuple[str, str, Any]] = [
    ("ENV", "production", "production"),
    ("SQLALCHEMY_DATABASE_URI", "sqlite:////data/a b.db", "sqlite:////data/a b.db"),
    ("SQLALCHEMY_DATABASE_URI", "postgres://h/d", "postgresql+psycopg://h/d"),
    ("SQLALCHEMY_DATABASE_URI", "postgresql://h/d", "postgresql+psycopg://h/d"),
    ("REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    ("JWT_ALGORITHM", "HS256", "HS256"),
    ("JWT_ALGORITHM", "EdDSA", "EdDSA"),
    ("JWT_VERIFYING_KEYS", '["/run/keys/old.pem"]', ["/run/keys/old.pem"]),
    ("JWT_VERIFYING_SECRETS", '["an older one"]', ["an older one"]),
    ("JWT_DECODE_LEEWAY", "0", 0),
    ("JWT_DECODE_LEEWAY", "30", 30),
    ("JWT_ENCODE_ISSUER", "123", "123"),
    ("JWT_ENCODE_AUDIENCE", '"quoted"', '"quoted"'),
    ("IDENTITY_CLAIMS", "minimal", "minimal"),
    ("DENYLIST_CHECK", "redis", "redis"),
    ("ROTATE_REFRESH_TOKENS", "false", False),
    ("ROTATE_REFRESH_TOKENS", "True", True),
    ("ROTATION_GRACE_SECONDS", "0", 0),
    ("LOST_RESPONSE_WINDOW_SECONDS", "3600", 3600),
    ("SHIFT_BOUND_USER_TYPES", '["nurse", "doctor"]', ["nurse", "doctor"]),
    ("SHIFT_BOUND_USER_TYPES", "[]", []),
    ("SHIFT_HANDOFF_SECONDS", "60", 60),
    ("SHIFT_EARLY_LOGIN_SECONDS", "0", 0),
    ("BREAK_GLASS_SECONDS", "900", 900),
    ("FHIR_MRN_SYSTEM", "urn:oid:1.2.3", "urn:oid:1.2.3"),
    ("MAX_SESSIONS_PER_USER", "3", 3),
    ("PASSWORD_HASH_MEMORY_KIB", "65536", 65536),
    ("PASSWORD_HASH_ITERATIONS", "3", 3),
    ("RATELIMIT_ENABLED", "TRUE", True),
    ("REDIS_ATTESTED", '["appendonly"]', ["appendonly"]),
    ("CORS_ORIGINS", '["https://a.example", "https://b.example"]',
     ["https://a.example", "https://b.example"]),
    ("CORS_ORIGINS", "[]", []),
    ("TRUSTED_PROXIES", "2", 2),
    ("MAX_CONTENT_LENGTH", "1048576", 1048576),
    ("LOG_LEVEL", "debug", "debug"),
    ("SECRETS_DIR", "/", "/"),
    ("AUDIT_KEY_FILE", "/run/secrets/audit", "/run/secrets/audit"),
    ("AUDIT_OLD_KEY_FILES", '["/run/secrets/old"]', ["/run/secrets/old"]),
    ("AUDIT_SEAL_SECONDS", "60", 60),
    ("AUDIT_CHECKPOINT_SECONDS", "900", 900),
    ("AUDIT_CHECKPOINT_FILE", "/mnt/worm/audit", "/mnt/worm/audit"),
    ("AUDIT_SHIP_URL", "https://siem.example/in", "https://siem.example/in"),
    ("AUDIT_SHIP_TOKEN", "a word", SecretStr("a word")),
    ("AUDIT_RETENTION_DAYS", "3653", 3653),
    ("AUDIT_RETENTION_DAYS_BY_CLASS", '{"access": 1096}', {"access": 1096}),
    ("SESSION_RETENTION_DAYS", "31", 31),
]  # fmt: skip

MALFORMED: list[tuple[str, str]] = [
    ("ENV", "prod"), ("ENV", "Production"), ("ENV", ""), ("JWT_ALGORITHM", "none"),
    ("JWT_ALGORITHM", "HS512"), ("JWT_ALGORITHM", "ES256"), ("JWT_ALGORITHM", "rs256"),
    ("JWT_VERIFYING_KEYS", "/run/keys/old.pem"), ("JWT_VERIFYING_SECRETS", "an older one"),
    ("JWT_DECODE_LEEWAY", "31"), ("JWT_DECODE_LEEWAY", "-1"),
    ("JWT_DECODE_LEEWAY", "ten"), ("JWT_DECODE_LEEWAY", "1.5"), ("JWT_DECODE_LEEWAY", ""),
    ("JWT_ENCODE_ISSUER", ""), ("JWT_ENCODE_AUDIENCE", ""), ("IDENTITY_CLAIMS", "none"),
    ("DENYLIST_CHECK", "none"), ("DENYLIST_CHECK", ""),
    ("ROTATE_REFRESH_TOKENS", "yes"), ("ROTATE_REFRESH_TOKENS", "1"),
    ("ROTATE_REFRESH_TOKENS", ""), ("RATELIMIT_ENABLED", "off"), ("RATELIMIT_ENABLED", "0"),
    ("ROTATION_GRACE_SECONDS", "121"), ("LOST_RESPONSE_WINDOW_SECONDS", "3601"),
    ("SHIFT_BOUND_USER_TYPES", "nurse"), ("SHIFT_BOUND_USER_TYPES", '["nuns"]'),
    ("SHIFT_HANDOFF_SECONDS", "-1"), ("SHIFT_EARLY_LOGIN_SECONDS", "x"),
    ("BREAK_GLASS_SECONDS", "14401"), ("BREAK_GLASS_SECONDS", "59"),
    ("FHIR_MRN_SYSTEM", ""), ("FHIR_MRN_SYSTEM", "our-numbers"), ("FHIR_MRN_SYSTEM", "urn:oid:1 2"),
    ("MAX_SESSIONS_PER_USER", "0"), ("PASSWORD_HASH_MEMORY_KIB", "8"),
    ("PASSWORD_HASH_ITERATIONS", "0"), ("CORS_ORIGINS", "https://a.example"),
    ("CORS_ORIGINS", '"https://a.example"'), ("CORS_ORIGINS", "[1]"), ("CORS_ORIGINS", "[["),
    ("TRUSTED_PROXIES", "-1"), ("TRUSTED_PROXIES", "true"), ("MAX_CONTENT_LENGTH", "10"),
    ("AUDIT_SEAL_SECONDS", "0"), ("AUDIT_CHECKPOINT_SECONDS", "86401"),
    ("AUDIT_RETENTION_DAYS", "179"), ("SESSION_RETENTION_DAYS", "30"),
    ("AUDIT_OLD_KEY_FILES", "/run/secrets/old"),
    ("LOG_LEVEL", "trace"), ("SESSION_PROFILES", "x"), ("SESSION_PROFILES", "[]"),
    ("SESSION_PROFILES__STANDARD__ACCESS_SECONDS", "3601"),
    ("SESSION_PROFILES__STANDARD__ACCESS_SECONDS", "29"),
    ("SESSION_PROFILES__EXTENDED__ABSOLUTE_SECONDS", "604801"),
    ("SESSION_PROFILES__HIGH_SECURITY__IDLE_SECONDS", "soon"),
    ("SESSION_PROFILES", '{"night": {"idle_seconds": 1}}'), ("SESSION_PROFILES__STANDARD", "1"),
]  # fmt: skip


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


def load(monkeypatch: pytest.MonkeyPatch, instance: Path, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(PREFIX + name, value)
    return Settings.load(instance)


def refusal(monkeypatch: pytest.MonkeyPatch, instance: Path, **environ: str) -> str:
    """Return the sentence with which a start is refused."""
    with pytest.raises(UnsafeSettings) as caught:
        load(monkeypatch, instance, **environ)
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence
    assert "pydantic" not in sentence
    return sentence


def test_every_setting_is_read_here() -> None:
    named = {name.lower() for name, _ in MALFORMED} | {name.lower() for name, _, _ in READ}
    assert set(Settings.model_fields) - {"jwt_secret_key", "jwt_signing_key"} <= named


@pytest.mark.parametrize(("name", "written", "read"), READ)
def test_a_setting_is_read_from_the_environment(
    name: str, written: str, read: Any, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    settings = load(monkeypatch, instance, **(PRODUCTION | {name: written}))
    assert getattr(settings, name.lower()) == read


@pytest.mark.parametrize(("name", "written"), MALFORMED)
def test_a_malformed_setting_is_refused_by_its_name(
    name: str, written: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {name: written}))
    assert sentence.startswith(PREFIX + name.partition("__")[0])
    assert "malformed" in sentence


@pytest.mark.parametrize("name", ["DEBUG", "session", "NIGHT_SHIFTS", "__"])
def test_an_unknown_setting_is_refused_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {name: "1"}))
    assert sentence == f"{PREFIX}{name} is not a setting of CareLink; the README lists them all."


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("JWT_SECRET", "JWT_SECRET_KEY"),
        ("REDIS_URI", "REDIS_URL"),
        ("SQLALCHEMY_DATABASE_URL", "SQLALCHEMY_DATABASE_URI"),
        ("rotation_grace_second", "ROTATION_GRACE_SECONDS"),
        ("SESSION_PROFILE__STANDARD__IDLE_SECONDS", "SESSION_PROFILES__STANDARD__IDLE_SECONDS"),
        ("SESSION_PROFILES__STANDARD__IDLE_SECS", "SESSION_PROFILES__STANDARD__IDLE_SECONDS"),
        (
            "SESSION_PROFILES__HIGH_SECURTY__ABSOLUTE_SECONDS",
            "SESSION_PROFILES__HIGH_SECURITY__ABSOLUTE_SECONDS",
        ),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_is_meant(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {name: "1"}))
    assert sentence == f"{PREFIX}{name} is not a setting of CareLink: do you mean {PREFIX}{meant}?"


def test_secrets_may_lie_in_files_that_are_named_like_the_settings(
    monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    for name, value in PRODUCTION.items():
        (tmp_path / (PREFIX + name)).write_text(value + "\n")
    (tmp_path / "tls.pem").write_text("no concern of ours")
    settings = load(monkeypatch, instance, SECRETS_DIR=str(tmp_path))
    assert settings.jwt_secret_key.get_secret_value() == STRONG
    assert settings.redis_url == PRODUCTION["REDIS_URL"]
    assert settings.is_production


def test_a_variable_goes_before_a_file(
    monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    (tmp_path / (PREFIX + "REDIS_URL")).write_text("redis://other.example")
    settings = load(monkeypatch, instance, SECRETS_DIR=str(tmp_path), **PRODUCTION)
    assert settings.redis_url == PRODUCTION["REDIS_URL"]


def test_a_file_that_is_no_setting_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    (tmp_path / (PREFIX + "JWT_SECRET")).write_text(STRONG)
    sentence = refusal(monkeypatch, instance, SECRETS_DIR=str(tmp_path), **PRODUCTION)
    assert sentence.startswith(PREFIX + "JWT_SECRET is not a setting")


def test_a_weak_secret_in_a_file_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    (tmp_path / (PREFIX + "JWT_SECRET_KEY")).write_text("too short")
    given = {name: value for name, value in PRODUCTION.items() if name != "JWT_SECRET_KEY"}
    sentence = refusal(monkeypatch, instance, SECRETS_DIR=str(tmp_path), **given)
    assert sentence.startswith(PREFIX + "JWT_SECRET_KEY is shorter")


@pytest.mark.parametrize("named", ["nowhere", "file"])
def test_a_secrets_folder_that_is_none_is_refused(
    named: str, monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    sentence = refusal(monkeypatch, instance, SECRETS_DIR=str(tmp_path / named), **PRODUCTION)
    assert sentence == "CARELINK_SECRETS_DIR must name a folder whose files can be read."


def test_other_programs_variables_are_not_ours(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    for name in ("ENV", "REDIS_URL", "JWT_SECRET_KEY", "XCARELINK_ENV", "SECRET_KEY"):
        monkeypatch.setenv(name, "no concern of ours")
    assert load(monkeypatch, instance, **PRODUCTION).env == "production"


def test_a_profile_s_lifetimes_are_set_one_by_one(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    profiles = load(
        monkeypatch,
        instance,
        **PRODUCTION,
        SESSION_PROFILES__STANDARD__ACCESS_SECONDS="600",
        SESSION_PROFILES__HIGH_SECURITY__IDLE_SECONDS="0",
    ).session_profiles
    standard, high = profiles["standard"], profiles["high_security"]
    assert (standard.access_seconds, standard.absolute_seconds) == (600, 12 * 3600)
    assert (high.idle, high.access_seconds, high.absolute_seconds) == (None, 300, 8 * 3600)


def test_without_any_settings_the_documented_lifetimes_hold(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    profiles = load(monkeypatch, instance, **PRODUCTION).session_profiles
    lifetimes = {
        name: (
            profiles[name].access_seconds,
            profiles[name].absolute_seconds,
            profiles[name].idle_seconds,
        )
        for name in ("standard", "high_security", "extended")
    }
    assert lifetimes == {
        "standard": (900, 12 * 3600, 0),
        "high_security": (300, 8 * 3600, 900),
        "extended": (1800, 24 * 3600, 3600),
    }
    with pytest.raises(KeyError):
        profiles["night"]


def test_nothing_set_means_production_and_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance)
    for name in PRODUCTION:
        assert PREFIX + name in sentence
    assert "`make run`" in sentence
    assert "CARELINK_ENV=development" in sentence
    assert not instance.exists()


@pytest.mark.parametrize("missing", PRODUCTION)
def test_production_demands_each_store_and_the_secret(
    missing: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    for environ in (
        {k: v for k, v in PRODUCTION.items() if k != missing},
        PRODUCTION | {missing: ""},
    ):
        sentence = refusal(monkeypatch, instance, **environ)
        assert PREFIX + missing in sentence
        others = set(PRODUCTION) - {missing}
        assert not [name for name in others if PREFIX + name in sentence]


@pytest.mark.parametrize(
    "secret",
    ["secret", "x", STRONG[:31], "a" * 64, "ab" * 32, "0123456789" * 5, "secret" * 8,
     "super-secret-key-change-me-in-production", "your-256-bit-secret-0123456789abcdef",
     "my-Password-Zk3vP0-tW8sQ1rY7uI5oA9dF2gH", "CareLink-Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6j",
     "default-Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4", " " * 40, "changeme-changeme-changeme-12345"],
)  # fmt: skip
def test_production_refuses_a_weak_secret_without_repeating_it(
    secret: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {"JWT_SECRET_KEY": secret}))
    assert sentence.startswith("CARELINK_JWT_SECRET_KEY ")
    assert "secrets.token_urlsafe" in sentence
    assert len(secret) < 10 or secret not in sentence


def test_a_random_secret_is_strong_enough() -> None:
    assert all(secret_fault(secrets.token_urlsafe(32)) is None for _ in range(50))
    assert all(secret_fault(secrets.token_hex(32)) is None for _ in range(50))
    assert secret_fault("é" * 20) is not None
    assert secret_fault("abcdefghijklmnopqrstuvwxyz0123456789") is not None


@pytest.mark.parametrize(
    ("memory", "iterations"), [("8", "20"), ("64", "1"), ("19456", "1"), ("12288", "2")]
)
def test_production_refuses_cheap_password_hashes(
    memory: str, iterations: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    cheap = {"PASSWORD_HASH_MEMORY_KIB": memory, "PASSWORD_HASH_ITERATIONS": iterations}
    assert "PASSWORD_HASH" in refusal(monkeypatch, instance, **(PRODUCTION | cheap))


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example", "https://a.example/", ".*", "null", "a.example", ""]
)
def test_production_refuses_origins_that_are_not_exact(
    origin: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    listed = json.dumps(["https://good.example", origin])
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {"CORS_ORIGINS": listed}))
    assert sentence.startswith("CARELINK_CORS_ORIGINS ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("RATELIMIT_ENABLED", "false"), ("CORS_ORIGINS", '["https://a.example", "http://b.example"]')],
)
def test_what_the_doctor_calls_unsafe_stops_the_start_in_production(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    sentence = refusal(monkeypatch, instance, **(PRODUCTION | {name: value}))
    assert sentence.startswith(PREFIX + name)
    assert load(monkeypatch, instance, **(PRODUCTION | {name: value} | DEVELOPMENT))


def test_no_secret_shows_in_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    hidden = {
        "SQLALCHEMY_DATABASE_URI": "postgresql://carelink:hidden-1@db.example/carelink",
        "REDIS_URL": "rediss://:hidden-2@redis.example",
    }
    settings = load(monkeypatch, instance, **(PRODUCTION | hidden))
    for text in (repr(settings), str(settings)):
        assert STRONG not in text
        assert "hidden" not in text


def test_settings_cannot_be_changed_afterwards(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    settings = load(monkeypatch, instance, **PRODUCTION)
    with pytest.raises(ValueError, match="frozen"):
        settings.trusted_proxies = 3


def test_development_keeps_its_data_and_secret_in_the_instance_folder(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    first = load(monkeypatch, instance, **DEVELOPMENT)
    assert first.sqlalchemy_database_uri == f"sqlite:///{instance / 'carelink.db'}"
    secret = first.jwt_secret_key.get_secret_value()
    assert secret_fault(secret) is None
    kept = instance / "jwt_secret"
    assert kept.read_text() == secret
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert Settings.load(instance).jwt_secret_key.get_secret_value() == secret
    assert [path.name for path in instance.iterdir()] == ["jwt_secret"]


def test_a_given_secret_is_taken_and_none_is_made(
    monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    settings = load(monkeypatch, instance, **DEVELOPMENT, JWT_SECRET_KEY="short is fine here")
    assert settings.jwt_secret_key.get_secret_value() == "short is fine here"
    assert not instance.exists()


def _secret_of(instance: str) -> str:
    return Settings.load(Path(instance), env="development").jwt_secret_key.get_secret_value()


def test_processes_that_start_together_agree_on_one_secret(instance: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(_secret_of, [str(instance)] * 12)
    assert len(set(found)) == 1
    assert [path.name for path in instance.iterdir()] == ["jwt_secret"]


def test_an_empty_secret_file_stops_a_development_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jwt_secret").touch()
    monkeypatch.setenv("CARELINK_ENV", "development")
    with pytest.raises(UnsafeSettings, match="is empty; remove it"):
        Settings.load(tmp_path)


@pytest.mark.parametrize("odd", ["\udcff", "\n", "\ufeff"])
def test_a_secret_of_bytes_that_are_no_text_is_refused_in_one_sentence(odd: str) -> None:
    assert secret_fault(STRONG + odd) == "holds a line break, or bytes that are no text"
