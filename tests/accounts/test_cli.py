"""The commands `users` and `units`, as an operator types them."""

import getpass
import json
import warnings
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql

from carelink_api.accounts import service
from carelink_api.accounts.login_delay import NEVER
from carelink_api.accounts.models import User
from carelink_api.accounts.passwords import EXTENSION
from carelink_api.database import writing
from tests.auth_helper import Auth

EMAIL = "anna.berg@ward.example"
PASSWORD = "green tea before the night shift"
NEW_PASSWORD = "seven herons over the river"
CREATE = ["users", "create", EMAIL, "--user-type", "nurse", "--name", "Anna Berg"]


@pytest.fixture
def anna(runner: FlaskCliRunner) -> str:
    done(runner, *CREATE, "--password-stdin", stdin=PASSWORD)
    return EMAIL


def done(runner: FlaskCliRunner, *words: str, stdin: str | bytes | None = None) -> str:
    """Run a command that must succeed; return what it prints."""
    result = runner.invoke(args=list(words), input=stdin)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def done_json(runner: FlaskCliRunner, *words: str, stdin: str | None = None) -> Any:
    return json.loads(done(runner, *words, "--json", stdin=stdin))


def refused(runner: FlaskCliRunner, *words: str, stdin: str | bytes | None = None) -> str:
    """Run a command that must fail; return its one sentence."""
    result: Result = runner.invoke(args=list(words), input=stdin)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    return str(lines[0])


def stored(sql: Sql, email: str = EMAIL) -> User:
    sql.rollback()
    return service.get_user(sql, email)


def opens(app: Flask, password: str, user: User) -> bool:
    return bool(app.extensions[EXTENSION].verify(user.password_hash, password))


def test_create_prints_a_sentence_or_json(runner: FlaskCliRunner, sql: Sql) -> None:
    words = done(runner, *CREATE, "--password-stdin", stdin=PASSWORD + "\n")
    assert words == f"Created the nurse {EMAIL}.\n"
    facts = done_json(
        runner, "users", "create", "li@ward.example", "--user-type", "doctor", "--name", "Li Wei",
        "--password-stdin", stdin=PASSWORD,
    )  # fmt: skip
    assert (facts["email"], facts["user_type"], facts["state"]) == (
        "li@ward.example",
        "doctor",
        "enabled",
    )
    assert facts["created_at"].endswith("Z")
    assert facts.pop("password_state") == "temporary"
    assert "password" not in json.dumps(facts)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_the_first_line_of_standard_input_is_the_password_less_its_newline(
    app: Flask, runner: FlaskCliRunner, sql: Sql, ending: str
) -> None:
    spaced = f" {PASSWORD} ✓ "
    done(runner, *CREATE, "--password-stdin", stdin=(spaced + ending).encode())
    assert opens(app, spaced, stored(sql))


def test_without_the_option_it_asks_twice_and_shows_nothing(
    app: Flask, runner: FlaskCliRunner, sql: Sql
) -> None:
    result = runner.invoke(args=CREATE, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert opens(app, PASSWORD, stored(sql))


def test_two_passwords_that_differ_are_asked_for_again(
    app: Flask, runner: FlaskCliRunner, sql: Sql
) -> None:
    typed = [PASSWORD, NEW_PASSWORD, PASSWORD, PASSWORD]
    assert runner.invoke(args=CREATE, input="\n".join(typed) + "\n").exit_code == 0
    assert opens(app, PASSWORD, stored(sql))


def test_without_a_terminal_to_hide_on_it_names_the_option(
    runner: FlaskCliRunner, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_terminal(*_: Any, **__: Any) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError("the password would be shown")

    monkeypatch.setattr("click.prompt", no_terminal)
    assert "--password-stdin" in refused(runner, *CREATE)


@pytest.mark.parametrize(
    ("stdin", "word"),
    [
        (b"", "no password"),
        (b"\n", "no password"),
        (b"\xff\xfe is no UTF-8 text", "UTF-8"),
        (b"short", "fewer than 15"),
        (b"anna.berg@ward.example", "e-mail"),
        (b"a control\x07 character rings", "control character"),
    ],
)
def test_a_bad_password_is_refused_in_one_sentence(
    runner: FlaskCliRunner, sql: Sql, stdin: bytes, word: str
) -> None:
    assert word in refused(runner, *CREATE, "--password-stdin", stdin=stdin)
    assert service.list_users(sql) == []


def test_what_cannot_be_created_is_said_in_one_sentence(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    assert "already" in refused(runner, *CREATE, "--password-stdin", stdin=PASSWORD)
    other = ["users", "create", "li@ward.example", "--name", "Li", "--user-type", "doctor"]
    assert "no unit" in refused(
        runner, *other, "--unit", "Nowhere", "--password-stdin", stdin=PASSWORD
    )


def test_an_unknown_type_is_refused_before_anything_is_read(
    runner: FlaskCliRunner, sql: Sql
) -> None:
    result = runner.invoke(args=["users", "create", EMAIL, "--name", "A", "--user-type", "cook"])
    assert result.exit_code == 2
    assert "'nurse'" in result.stderr


def test_list_shows_a_table_for_people_and_json_for_programs(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    table = done(runner, "users", "list")
    assert "user type" in table
    assert EMAIL in table
    (row,) = done_json(runner, "users", "list")
    assert (row["email"], row["name"], row["unit"], row["state"]) == (
        EMAIL,
        "Anna Berg",
        None,
        "enabled",
    )


def test_empty_lists_say_so(runner: FlaskCliRunner, sql: Sql) -> None:
    assert done(runner, "users", "list") == "Nothing to show.\n"
    assert done_json(runner, "units", "list") == []


def test_no_output_ever_holds_the_hash(runner: FlaskCliRunner, sql: Sql, anna: str) -> None:
    assert "argon2" not in done(runner, "users", "list") + done(runner, "users", "list", "--json")


def test_disable_asks_first_and_a_no_changes_nothing(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    result = runner.invoke(args=["users", "disable", anna], input="n\n")
    assert result.exit_code == 1
    assert "every session" in result.stderr
    assert stored(sql).disabled_at is None


def test_disable_and_enable_turn_an_account_off_and_on(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    assert done(runner, "users", "disable", anna, "--yes").startswith(f"Disabled {anna};")
    assert done_json(runner, "users", "list")[0]["state"] == "disabled"
    assert done(runner, "users", "enable", anna.upper()) == f"Enabled {anna}.\n"
    assert done_json(runner, "users", "list")[0]["state"] == "enabled"


def test_disable_tells_programs_how_many_sessions_ended(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    facts = done_json(runner, "users", "disable", anna, "--yes")
    assert facts == {"email": anna, "sessions_ended": 0, "pending": False}


@pytest.mark.settings(redis_url="unix:///nonexistent/valkey.sock")
def test_disable_says_that_it_holds_although_redis_is_away(
    runner: FlaskCliRunner, auth: Auth
) -> None:
    user = auth.create_user()
    auth.tokens()
    words = done(runner, "users", "disable", user.email, "--yes")
    assert "sessions ended: 1. Redis did not take all of it" in words


def test_set_password_replaces_the_password_and_lifts_the_block(
    app: Flask, runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    user_id = stored(sql).id
    for _ in range(100):
        with writing(sql):
            service.record_failed_login(sql, user_id, NEVER.replace(year=2026))
    assert done_json(runner, "users", "list")[0]["state"] == "blocked"
    done(runner, "users", "set-password", anna, "--password-stdin", stdin=NEW_PASSWORD)
    user = stored(sql)
    assert opens(app, NEW_PASSWORD, user)
    assert not opens(app, PASSWORD, user)
    assert (user.failed_logins, user.blocked_until) == (0, None)


def test_set_password_holds_the_rules_against_this_account(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    words = ["users", "set-password", anna, "--password-stdin"]
    assert "name" in refused(runner, *words, stdin="Anna Berg Ward 1987")


@pytest.mark.parametrize("command", ["disable", "enable", "set-password"])
@pytest.mark.parametrize("email", ["nobody@ward.example", "\udcff", "no address"])
def test_an_unknown_account_is_said_before_anything_is_asked(
    runner: FlaskCliRunner, sql: Sql, command: str, email: str
) -> None:
    assert "no account" in refused(runner, "users", command, email)


def test_units_are_created_and_listed(runner: FlaskCliRunner, sql: Sql) -> None:
    assert done(runner, "units", "create", "ICU", "--profile", "high_security") == (
        "Created the unit ICU.\n"
    )
    facts = done_json(runner, "units", "create", "Ward 7")
    assert (facts["name"], facts["profile"]) == ("Ward 7", None)
    assert [(u["name"], u["profile"]) for u in done_json(runner, "units", "list")] == [
        ("ICU", "high_security"),
        ("Ward 7", None),
    ]
    assert "high_security" in done(runner, "units", "list")


def test_a_unit_of_that_name_or_with_no_such_profile_is_refused(
    runner: FlaskCliRunner, sql: Sql
) -> None:
    done(runner, "units", "create", "ICU")
    assert "already" in refused(runner, "units", "create", "ICU")
    assert runner.invoke(args=["units", "create", "B", "--profile", "x"]).exit_code == 2


def test_a_user_of_a_unit_shows_it(runner: FlaskCliRunner, sql: Sql) -> None:
    done(runner, "units", "create", "ICU")
    done(runner, *CREATE, "--unit", "ICU", "--password-stdin", stdin=PASSWORD)
    assert done_json(runner, "users", "list")[0]["unit"] == "ICU"


def test_a_database_without_tables_names_the_mend(runner: FlaskCliRunner, sql: Sql) -> None:
    sql.execute(text("ALTER TABLE units RENAME TO units_elsewhere"))
    sql.commit()
    try:
        assert "db upgrade" in refused(runner, "units", "list")
    finally:
        sql.execute(text("ALTER TABLE units_elsewhere RENAME TO units"))
        sql.commit()


def test_a_first_password_is_temporary_unless_it_is_said_to_be_permanent(
    runner: FlaskCliRunner, sql: Sql, anna: str
) -> None:
    assert stored(sql).must_change_password
    done(runner, "users", "set-password", anna, "--password-stdin", "--permanent",
         stdin=NEW_PASSWORD)  # fmt: skip
    assert not stored(sql).must_change_password
    done(runner, "users", "set-password", anna, "--password-stdin", stdin=PASSWORD)
    assert stored(sql).must_change_password
    (row,) = done_json(runner, "users", "list")
    assert row["password_state"] == "temporary"


def test_a_code_opens_the_account_that_it_was_made_for(
    runner: FlaskCliRunner, auth: Auth, anna: str
) -> None:
    facts = done_json(runner, "users", "code", anna, "--identity", "Badge seen")
    body = {"email": anna, "code": facts["code"], "new_password": NEW_PASSWORD}
    assert auth.post("password/reset", body).status_code == 200
    assert auth.login(anna, NEW_PASSWORD).status_code == 200
    words = done(runner, "users", "code", anna, "--identity", "Called back on the ward's number")
    assert words.startswith(f"For {anna}. One-time code, good once and until 2")


def test_an_account_may_begin_with_a_code_and_no_password(
    runner: FlaskCliRunner, auth: Auth, sql: Sql
) -> None:
    facts = done_json(runner, *CREATE, "--code")
    assert facts["password_state"] == "none"
    body = {"email": EMAIL, "code": facts["code"], "new_password": NEW_PASSWORD}
    assert auth.post("password/reset", body).status_code == 200
    assert auth.login(EMAIL, NEW_PASSWORD).status_code == 200


def test_no_code_is_made_without_a_proof_for_nobody_or_for_a_disabled_account(
    runner: FlaskCliRunner, anna: str
) -> None:
    assert "printable" in refused(runner, "users", "code", anna, "--identity", "  x ")
    proof = ("--identity", "Badge seen")
    assert "no account" in refused(runner, "users", "code", "nobody@ward.example", *proof)
    done(runner, "users", "disable", anna, "--yes")
    assert "Enable it first" in refused(runner, "users", "code", anna, *proof)
    assert runner.invoke(args=["users", "code", anna]).exit_code == 2
