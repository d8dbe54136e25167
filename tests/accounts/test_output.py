"""How every command speaks, whatever it says. These need no store."""

import json
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from carelink_api.config import UnsafeSettings
from carelink_api.errors import CareLinkError, NotFound, ValidationFailed
from carelink_api.ops.output import plain_failures, printable, sentence, show, tell

AT = datetime(2026, 3, 1, 7, 30, tzinfo=timezone(timedelta(hours=1)))


def test_json_holds_every_member_and_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"name": "Zoë", "at": AT, "hidden": None}], ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "Zoë", "at": "2026-03-01T06:30:00Z", "hidden": None}
    ]


def test_a_table_shows_its_columns_whole_and_a_dash_for_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    show([{"user_type": long, "at": AT, "unit": None, "hidden": "no"}], ["user_type", "at", "unit"],
         as_json=False)  # fmt: skip
    shown = capsys.readouterr().out
    assert "user type" in shown
    assert long in shown
    assert "2026-03-01 06:30:00Z" in shown
    assert "–" in shown
    assert "no" not in shown.split()


def test_nothing_in_a_table_can_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"name": "\x1b[2J\n[red]Anna[/red]\u202e"}], ["name"], as_json=False)
    shown = capsys.readouterr().out
    assert r"\x1b[2J\n[red]Anna[/red]\u202e" in shown
    assert "\x1b" not in shown


def test_plain_text_stays_as_it_is() -> None:
    assert printable("Zoë Ångström 王 ✓") == "Zoë Ångström 王 ✓"


def test_telling_prints_a_sentence_or_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    tell("Done.", {"count": 1, "at": datetime(2026, 3, 1, tzinfo=UTC)}, as_json=False)
    tell("Done.", {"count": 1}, as_json=True)
    words, _, facts = capsys.readouterr().out.partition("\n")
    assert words == "Done."
    assert json.loads(facts) == {"count": 1}


def test_what_has_no_form_in_json_is_a_defect_not_a_guess() -> None:
    with pytest.raises(TypeError, match="object"):
        tell("", {"what": object()}, as_json=True)


def test_a_validation_error_is_told_field_by_field() -> None:
    error = ValidationFailed({"email": ["Is no address."], "name": ["Too long.", "Odd."]})
    assert sentence(error) == "email: Is no address. name: Too long. Odd."


class UndefinedTable(Exception):
    """Named as psycopg names it."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotFound("There is no such unit."), "There is no such unit."),
        (UnsafeSettings("CARELINK_X is unsafe."), "CARELINK_X is unsafe."),
        (OperationalError("SELECT", {}, Exception("no such table: units")), "db upgrade"),
        (ProgrammingError("SELECT", {}, UndefinedTable("relation")), "db upgrade"),
        (OperationalError("SELECT", {}, Exception("refused")), "database does not answer"),
        (PoolTimeout("QueuePool limit"), "database does not answer"),
    ],
)
def test_what_can_go_wrong_becomes_one_sentence(error: Exception, words: str) -> None:
    with pytest.raises(click.ClickException, match=words), plain_failures():
        raise error


@pytest.mark.parametrize(
    "defect", [ProgrammingError("SELECT", {}, Exception("syntax")), KeyError()]
)
def test_a_defect_keeps_its_traceback(defect: Exception) -> None:
    with pytest.raises(type(defect)), plain_failures():
        raise defect


def test_a_sentence_never_holds_the_statement() -> None:
    with pytest.raises(click.ClickException) as refused, plain_failures():
        raise OperationalError("SELECT secret", {}, Exception("password=x"))
    assert "secret" not in refused.value.message
    assert "password" not in refused.value.message


def test_an_error_without_fields_tells_its_detail() -> None:
    assert sentence(CareLinkError()) == CareLinkError.detail
