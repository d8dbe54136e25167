"""Settings that would start, and then be unsafe."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from carelink_api.config import Settings, UnsafeSettings
from carelink_api.signing_secret import secret_fault
from tests.conftest import TEST_SETTINGS


def load(instance: Path, uri: str) -> Settings:
    return Settings.load(instance, **(TEST_SETTINGS | {"sqlalchemy_database_uri": uri}))


def test_a_relative_sqlite_path_means_one_file_to_all_engines(tmp_path: Path) -> None:
    uri = load(tmp_path, "sqlite:///ward.db?timeout=3").sqlalchemy_database_uri
    assert make_url(uri).database == str(tmp_path / "ward.db")
    assert make_url(uri).query == {"timeout": "3"}


def test_an_absolute_sqlite_path_stays_as_it_is(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/with space.db"
    assert load(Path("/elsewhere"), uri).sqlalchemy_database_uri == uri


@pytest.mark.parametrize(
    "uri",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "mysql://x/y",
     "nonsense", "postgresql://u:hunter2@host:port/y"],
)  # fmt: skip
def test_a_database_that_workers_cannot_share_stops_the_start(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UnsafeSettings, match="CARELINK_SQLALCHEMY_DATABASE_URI") as refused:
        load(tmp_path, uri)
    assert "hunter2" not in str(refused.value)


def test_one_setting_in_two_spellings_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARELINK_ENV", "production")
    monkeypatch.setenv("carelink_env", "development")
    with pytest.raises(UnsafeSettings, match=r"CARELINK_ENV and carelink_env|carelink_env and"):
        Settings.load(tmp_path)


@pytest.mark.parametrize(
    "secret",
    ["-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA7x4\n-----END PUBLIC KEY-----",
     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq7wZp3"],
)  # fmt: skip
def test_a_key_that_the_signer_would_refuse_at_the_first_login_stops_the_start(
    secret: str,
) -> None:
    assert secret_fault(secret) == "is a key of a pair, which HS256 cannot sign with"
