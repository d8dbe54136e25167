"""The doctor's rules, one by one."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carelink_api.auth.key_rules import KeyState
from carelink_api.config import Settings
from carelink_api.database_clock import ClockReading
from carelink_api.ops import doctor, doctor_keys, doctor_stores
from carelink_api.ops.doctor_acl import AclFacts, check_acl
from carelink_api.ops.doctor_files import check_files
from carelink_api.ops.doctor_ring import RingFacts, check_ring
from carelink_api.ops.doctor_stores import DatabaseFacts
from carelink_api.ops.findings import Finding, State
from tests.auth.pairs import ed25519_pair, key_file, private_pem, public_pem, rsa_pair

OK, WARN, UNSAFE = State.OK, State.WARN, State.UNSAFE
Rule = Callable[[Settings], Finding]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "env": "production",
    "jwt_secret_key": "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x",
    "sqlalchemy_database_uri": "postgresql+psycopg://carelink@db/carelink",
    "redis_url": "rediss://:pw@cache.hospital.example:6379",
    "cors_origins": ["https://ward.hospital.example"],
    "trusted_proxies": 1,
}
SERVER = {
    "redis_version": "7.4.1",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}


def given(**changes: Any) -> Settings:
    """Settings that are fine in production, but for `changes`."""
    return Settings(**(GOOD | changes))


def judged(findings: list[Finding]) -> dict[str, State]:
    return {finding.name: finding.state for finding in findings}


def test_good_settings_of_production_are_all_fine() -> None:
    findings = doctor.check_settings(given())
    assert set(judged(findings).values()) == {OK}


@pytest.mark.parametrize(
    ("rule", "changes", "state"),
    [
        (doctor.check_environment, {"env": "development"}, WARN),
        (doctor_keys.check_secret, {"jwt_secret_key": "short"}, UNSAFE),
        (doctor_keys.check_secret, {"jwt_secret_key": "short", "env": "development"}, WARN),
        (doctor_keys.check_old_secrets, {"jwt_verifying_secrets": ["older"]}, OK),
        (doctor_keys.check_keys, {"jwt_algorithm": "EdDSA"}, UNSAFE),
        (doctor_keys.check_keys, {"jwt_algorithm": "EdDSA", "env": "development"}, UNSAFE),
        (doctor_keys.check_key_length, {"jwt_algorithm": "EdDSA"}, OK),
        (doctor.check_password_hash, {"password_hash_memory_kib": 19455}, UNSAFE),
        (doctor.check_password_hash,
         {"password_hash_memory_kib": 36864, "password_hash_iterations": 1}, UNSAFE),
        (doctor.check_password_hash,
         {"password_hash_memory_kib": 47104, "password_hash_iterations": 1}, OK),
        (doctor.check_password_hash,
         {"password_hash_memory_kib": 7168, "password_hash_iterations": 9}, OK),
        (doctor.check_password_hash, {"password_hash_memory_kib": 64, "env": "development"}, WARN),
        (doctor.check_cors, {"cors_origins": []}, OK),
        (doctor.check_cors, {"cors_origins": ["https://a.example:8443"]}, OK),
        (doctor.check_cors, {"cors_origins": ["http://a.example"]}, UNSAFE),
        (doctor.check_cors, {"cors_origins": ["http://a.example"], "env": "development"}, WARN),
        (doctor.check_cors, {"cors_origins": ["https://*.a.example"]}, UNSAFE),
        (doctor.check_cors, {"cors_origins": [r"https://.+\.a\.example"]}, UNSAFE),
        (doctor.check_cors, {"cors_origins": ["https://a.example/"]}, UNSAFE),
        (doctor.check_cors, {"cors_origins": ["null"]}, UNSAFE),
        (doctor.check_proxies, {"trusted_proxies": 0}, WARN),
        (doctor.check_proxies, {"trusted_proxies": 0, "env": "development"}, OK),
        (doctor.check_throttles, {"ratelimit_enabled": False}, UNSAFE),
        (doctor.check_throttles, {"ratelimit_enabled": False, "env": "development"}, WARN),
        (doctor.check_rotation, {"rotate_refresh_tokens": False}, WARN),
        (doctor.check_grace, {"rotation_grace_seconds": 0}, OK),
        (doctor.check_grace, {"rotation_grace_seconds": 30}, OK),
        (doctor.check_grace, {"rotation_grace_seconds": 31}, WARN),
        (doctor.check_lost_response, {"lost_response_window_seconds": 0}, OK),
        (doctor.check_lost_response, {"lost_response_window_seconds": 901}, WARN),
        (doctor.check_redis_url, {"redis_url": "unix:///run/valkey.sock"}, OK),
        (doctor.check_redis_url, {"redis_url": "redis://localhost:6379"}, OK),
        (doctor.check_redis_url, {"redis_url": "redis://127.0.0.1"}, OK),
        (doctor.check_redis_url, {"redis_url": "redis://[::1]:6379"}, OK),
        (doctor.check_redis_url, {"redis_url": "redis://:pw@cache"}, WARN),
        (doctor.check_redis_url, {"redis_url": "rediss://cache"}, WARN),
        (doctor.check_redis_url, {"redis_url": "redis+sentinel://:pw@a,b/mymaster"}, WARN),
        (doctor.check_redis_url, {"redis_url": "redis+cluster://localhost:1,localhost:2"}, OK),
    ],
)  # fmt: skip
def test_the_rules_on_settings(rule: Rule, changes: dict[str, Any], state: State) -> None:
    finding = rule(given(**changes))
    assert finding.state is state, finding
    assert bool(finding.why and finding.mend) == (state is not OK)


def test_a_lost_response_window_longer_than_any_access_token_is_a_warning() -> None:
    profile = {"access_seconds": 600, "absolute_seconds": 3600, "idle_seconds": 0}
    profiles = dict.fromkeys(("standard", "high_security", "extended"), profile)
    settings = given(session_profiles=profiles, lost_response_window_seconds=601)
    assert "access token" in doctor.check_lost_response(settings).why


def test_keys_that_last_and_are_nobody_else_s_are_fine(tmp_path: Path) -> None:
    path = key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()))
    longer = key_file(tmp_path / "rsa.pem", public_pem(rsa_pair(3072)), 0o644)
    settings = given(jwt_algorithm="EdDSA", jwt_signing_key=path, jwt_verifying_keys=[longer])
    assert set(judged(doctor.check_settings(settings)).values()) == {OK}
    assert doctor_keys.check_keys(settings).found == "EdDSA to sign; 2 to verify"


def test_a_private_key_that_everybody_can_open_is_told_in_development(tmp_path: Path) -> None:
    path = key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()), 0o644)
    ring = {"jwt_algorithm": "EdDSA", "jwt_signing_key": path}
    finding = doctor_keys.check_keys(given(env="development", **ring))
    assert (finding.state, path in finding.found) == (WARN, True)
    assert doctor_keys.check_keys(given(**ring)).state is UNSAFE


def test_a_short_key_and_a_secret_left_behind_are_warnings(tmp_path: Path) -> None:
    path = key_file(tmp_path / "rsa.pem", private_pem(rsa_pair(2048)))
    ring = {"jwt_algorithm": "RS256", "jwt_signing_key": path}
    settings = given(**ring, jwt_verifying_secrets=["q8Xw2-nR5tB7yK1mC4vZ6jH9sL3pF0dG"])
    told = judged(doctor.check_settings(settings))
    assert {name for name, state in told.items() if state is WARN} == {
        "length of keys in the settings",
        "old secrets in the settings",
    }
    assert UNSAFE not in told.values()


def test_no_finding_shows_a_secret() -> None:
    settings = given(jwt_secret_key="guess-me-now", redis_url="redis://:hush-hush@cache")
    findings = str(doctor.check_settings(settings))
    assert "guess-me-now" not in findings
    assert "hush-hush" not in findings


@pytest.mark.parametrize(
    ("facts", "fault", "state"),
    [
        (DatabaseFacts("postgresql", migrated=True), None, OK),
        (DatabaseFacts("sqlite", migrated=True), "database", WARN),
        (DatabaseFacts("postgresql", migrated=False), "migrations", UNSAFE),
        (DatabaseFacts("postgresql", True, is_superuser=True), "database account", UNSAFE),
        (DatabaseFacts("postgresql", True, is_replica=True), "database role", UNSAFE),
        (DatabaseFacts("postgresql", True, plain_network=True), "way to the database", WARN),
    ],
)
def test_the_rules_on_the_database(facts: DatabaseFacts, fault: str | None, state: State) -> None:
    found = judged(doctor_stores.check_database(given(), facts))
    faults = {name: judgement for name, judgement in found.items() if judgement is not OK}
    assert faults == ({} if fault is None else {fault: state})


@pytest.mark.parametrize(
    ("changes", "fault", "state"),
    [
        ({}, None, OK),
        ({"redis_version": "6.2.0"}, None, OK),
        ({"redis_version": "10.0.1"}, None, OK),
        ({"redis_version": "6.0.16"}, "version", UNSAFE),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, None, OK),
        ({"redis_version": "7.2.4", "valkey_version": "7.1.0"}, "version", UNSAFE),
        ({"maxmemory_policy": "volatile-ttl"}, "maxmemory-policy", UNSAFE),
        ({"aof_enabled": 0}, "append-only file", UNSAFE),
        ({"role": "slave"}, "role", UNSAFE),
    ],
)
def test_the_rules_on_redis(changes: dict[str, Any], fault: str | None, state: State) -> None:
    found = judged(doctor_stores.check_redis(given(), "redis", SERVER | changes))
    faults = {name: judgement for name, judgement in found.items() if judgement is not OK}
    assert faults == ({} if fault is None else {f"redis: {fault}": state})


def test_a_server_that_keeps_its_settings_to_itself_is_not_taken_for_safe() -> None:
    findings = doctor_stores.check_redis(given(), "redis", {})
    assert {finding.state for finding in findings} == {UNSAFE}


def test_what_a_managed_server_does_not_tell_may_be_attested_and_never_against_what_it_tells() -> (
    None
):
    word = given(redis_attested=["noeviction", "appendonly"])
    quiet = {name: SERVER[name] for name in ("redis_version", "role")}
    assert set(judged(doctor_stores.check_redis(word, "redis", quiet)).values()) == {OK}
    for lie in ({"maxmemory_policy": "allkeys-lru"}, {"aof_enabled": 0}):
        assert UNSAFE in judged(doctor_stores.check_redis(word, "redis", SERVER | lie)).values()


@pytest.mark.parametrize(
    ("facts", "env", "state"),
    [
        (AclFacts((), ()), "production", OK),
        (AclFacts((), ("empty the server",)), "production", WARN),
        (AclFacts((), ("empty the server",)), "development", OK),
        (AclFacts(("unlink",), ()), "development", UNSAFE),
    ],
)
def test_the_rule_on_what_the_account_may_do(facts: AclFacts, env: Any, state: State) -> None:
    assert check_acl(given(env=env), "redis", facts).state is state


def ring(**changes: Any) -> RingFacts:
    facts: dict[str, Any] = {
        "states": [KeyState.VERIFYING, KeyState.SIGNING], "unopened": [], "to_retire": [],
        "signs_since": NOW - timedelta(days=300),
    }  # fmt: skip
    return RingFacts(**(facts | changes))


@pytest.mark.parametrize(
    ("changes", "settings", "fault", "state"),
    [
        ({}, {}, None, OK),
        ({"signs_since": NOW - timedelta(days=366)}, {}, "age of the signing key", WARN),
        ({"unopened": ["kid"]}, {}, "seals of keys", UNSAFE),
        ({"to_retire": ["kid"]}, {}, "keys to retire", WARN),
        ({"powerless": ["kid"]}, {}, "key that signs", UNSAFE),
        ({"states": [KeyState.VERIFYING]}, {}, "key that signs", UNSAFE),
        ({"states": [KeyState.SIGNING] * 2}, {}, "key that signs", UNSAFE),
        ({"old_secrets": ["kid"]}, {}, "old secrets", WARN),
        ({"rsa_bits": 2048}, {}, "length of keys", WARN),
        ({"rsa_bits": 3072}, {}, None, OK),
        ({}, {"jwt_verifying_keys": ["/run/old.pem"]}, "ring", WARN),
        ({"states": [], "signs_since": None}, {"jwt_verifying_keys": ["/run/a.pem"]}, None, OK),
    ],
)
def test_the_rules_on_the_ring_in_force(
    changes: dict[str, Any], settings: dict[str, Any], fault: str | None, state: State
) -> None:
    found = judged(check_ring(given(**settings), ring(**changes), NOW))
    faults = {name: judgement for name, judgement in found.items() if judgement is not OK}
    assert faults == ({} if fault is None else {fault: state})


def test_a_key_s_file_tells_its_age_where_settings_name_the_key(tmp_path: Path) -> None:
    path = key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()))
    os.utime(path, (0, (NOW - timedelta(days=400)).timestamp()))
    settings = given(jwt_algorithm="EdDSA", jwt_signing_key=path)
    found = judged(check_ring(settings, ring(states=[]), NOW))
    assert found["age of the signing key"] is WARN


@pytest.mark.parametrize(
    ("mode", "state"), [(0o400, OK), (0o440, OK), (0o444, WARN), (0o660, WARN)]
)
def test_files_with_secrets_are_their_account_s_alone(
    mode: int, state: State, tmp_path: Path
) -> None:
    secret = tmp_path / "CARELINK_JWT_SECRET_KEY"
    secret.write_text("x")
    secret.chmod(mode)
    (tmp_path / "tls.crt").write_text("everybody's")
    finding = check_files(given(secrets_dir=str(tmp_path)))
    assert (finding.state, str(secret) in finding.found) == (state, state is WARN)


@pytest.mark.parametrize(
    ("off", "leeway", "state"),
    [
        (0, 10, OK), (2, 10, OK), (-2, 10, OK), (2.1, 10, WARN), (-10, 10, WARN),
        (10.1, 10, UNSAFE), (-3600, 10, UNSAFE), (1, 0, OK), (3, 0, UNSAFE),
    ],
)  # fmt: skip
def test_the_rule_on_clocks(off: float, leeway: int, state: State) -> None:
    told = NOW + timedelta(seconds=off)
    finding = doctor_stores.check_clock(
        given(jwt_decode_leeway=leeway), "redis", ClockReading(NOW, told, NOW)
    )
    assert finding.state is state


def test_the_time_that_an_answer_takes_is_no_skew() -> None:
    reading = ClockReading(NOW, NOW + timedelta(seconds=4), NOW + timedelta(seconds=5))
    assert reading.skew == timedelta(0)
