"""`flask shifts`: a roster file goes in whole or not at all, whatever its time zone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.events import Event
from carelink_api.shifts.models import Shift
from tests.auth.helpers import events
from tests.auth_helper import EMAIL, Account, Auth
from tests.ops.commands import counted_events, done, done_json, refused, sqlite_only
from tests.shifts.helpers import HOUR, at, give_shift, moment, unit_id

HEADER = "email,unit,starts_at,ends_at,in_charge\n"


@pytest.fixture
def nurse(app: Flask, auth: Auth) -> Account:
    unit_id(app)
    return auth.create_user()


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    return tmp_path / "roster.csv"


def fill(roster: Path, *lines: str, header: str = HEADER) -> str:
    roster.write_text(header + "".join(line + "\n" for line in lines), "utf-8")
    return str(roster)


def stored(sql: Sql) -> list[tuple[datetime, datetime]]:
    sql.rollback()
    found = sql.execute(select(Shift.starts_at, Shift.ends_at).order_by(Shift.id))
    return [(start, end) for start, end in found]


def test_a_good_file_is_imported_and_audited(
    runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    file = fill(
        roster,
        f"{EMAIL},ICU,2060-03-01T07:00:00+01:00,2060-03-01T19:00:00+01:00,true",
        f" {EMAIL.upper()} , ICU ,2060-03-02T06:00:00Z,2060-03-02T18:00Z,",
    )
    counted = counted_events(Event.SHIFT_CREATED)
    told = done_json(runner, "shifts", "import", file, "--yes", "--reason", " March ")
    assert counted_events(Event.SHIFT_CREATED) == counted + 2
    assert told == {"imported": 2, "known": 0, "without_shift": 1}
    first = datetime(2060, 3, 1, 6, tzinfo=UTC)
    day = timedelta(days=1)
    assert stored(sql) == [(first, first + 12 * HOUR), (first + day, first + day + 12 * HOUR)]
    trail = events(sql, Event.SHIFT_CREATED)
    assert [(event.actor, event.user_id) for event in trail] == [("cli", nurse.id)] * 2
    assert trail[0].detail is not None
    assert (trail[0].detail["why"], trail[0].detail["in_charge"]) == ("March", True)


@sqlite_only
@pytest.mark.parametrize("reason", [" ", "a", "x" * 501, "March\x1b[2J"])
def test_what_is_no_reason_stops_it(
    reason: str, runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    file = fill(roster, f"{EMAIL},ICU,2060-03-01T07:00:00Z,2060-03-01T19:00:00Z,")
    words = refused(runner, "shifts", "import", file, "--yes", "--reason", reason)
    assert "The reason must be" in words
    assert stored(sql) == []


@sqlite_only
def test_a_file_imported_again_adds_what_is_new(
    runner: FlaskCliRunner, nurse: Account, roster: Path
) -> None:
    line = f"{EMAIL},ICU,2060-03-01T07:00:00Z,2060-03-01T19:00:00Z,"
    done(runner, "shifts", "import", fill(roster, line), "--yes")
    more = line.replace("03-01", "03-02")
    told = done_json(runner, "shifts", "import", fill(roster, line, more))
    assert (told["imported"], told["known"]) == (1, 1)


def test_every_bad_line_is_named_and_nothing_is_imported(
    runner: FlaskCliRunner, nurse: Account, auth: Auth, roster: Path, sql: Sql
) -> None:
    auth.create_user("doctor@ward.example", "doctor")
    times = "2060-03-01T07:00:00Z,2060-03-01T19:00:00Z,"
    file = fill(
        roster,
        f"{EMAIL},ICU,{times}",
        f"nobody@ward.example,Moon,{times}",
        f"doctor@ward.example,ICU,{times}",
        f"{EMAIL},ICU,2060-03-01T07:00:00,2060-03-01T19:00:00Z,",
        f"{EMAIL},ICU,yesterday,2060-03-01T19:00:00Z,maybe",
        f"{EMAIL},ICU,2060-03-01T19:00:00Z,2060-03-01T07:00:00Z,",
        f"{EMAIL},ICU,2060-03-01T07:00:00Z,2060-03-11T07:00:00Z,",
        f"{EMAIL},ICU",
        f"{EMAIL},ICU,{times}",
    )
    result = runner.invoke(args=["shifts", "import", file, "--yes"])
    assert result.exit_code == 1
    assert result.stdout == ""
    said = result.stderr.splitlines()
    assert said == [
        "line 3: email: nobody of this address works shifts; unit: there is no unit of this name",
        "line 4: email: nobody of this address works shifts",
        "line 5: starts_at: has no offset; add it, or say --timezone",
        "line 6: in_charge: is neither true nor false;"
        " starts_at: is no time such as 2026-03-28T19:00:00+01:00",
        "line 7: ends_at: Must be after starts_at.",
        "line 8: ends_at: A shift lasts 24 hours at most.",
        "line 9: has more or fewer fields than the header",
        "line 10: same as line 2",
        "Error: Nothing was imported: 8 of 9 lines are bad.",
    ]
    assert stored(sql) == []


@sqlite_only
@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("email,unit\n", "missing: starts_at, ends_at"),
        ("", "missing: email, unit, starts_at, ends_at"),
        (HEADER.replace("in_charge", "shift"), "unknown columns: shift"),
        (HEADER.replace("in_charge", "unit"), "a column stands twice"),
    ],
)
def test_the_first_line_must_name_the_columns(
    runner: FlaskCliRunner, nurse: Account, roster: Path, header: str, fault: str
) -> None:
    assert fault in refused(runner, "shifts", "import", fill(roster, header=header))


@sqlite_only
def test_what_is_no_file_of_text_is_refused(runner: FlaskCliRunner, roster: Path) -> None:
    assert "cannot be read" in refused(runner, "shifts", "import", str(roster))
    roster.write_bytes(b"email\xff")
    assert "is not UTF-8" in refused(runner, "shifts", "import", str(roster))


@sqlite_only
def test_times_of_the_wall_are_read_in_the_named_zone_over_both_changes_of_the_clock(
    runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    file = fill(
        roster,
        f"{EMAIL},ICU,2026-03-28T19:00,2026-03-29T07:00,",
        f"{EMAIL},ICU,2026-10-24T19:00,2026-10-25T07:00,",
        f"{EMAIL},ICU,2026-10-24T07:00+02:00,2026-10-24T19:00,",
    )
    done(runner, "shifts", "import", file, "--timezone", "Europe/Berlin", "--yes")
    spring, autumn, day = stored(sql)
    assert spring == (
        datetime(2026, 3, 28, 18, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC),
    )  # fmt: skip
    assert autumn[1] - autumn[0] == 13 * HOUR
    assert day[1] == autumn[0]


@sqlite_only
def test_a_time_that_a_clock_shows_twice_or_never_is_a_bad_line(
    runner: FlaskCliRunner, nurse: Account, roster: Path
) -> None:
    file = fill(
        roster,
        f"{EMAIL},ICU,2026-03-29T02:30,2026-03-29T07:00,",
        f"{EMAIL},ICU,2026-10-25T02:30,2026-10-25T07:00,",
        f"{EMAIL},ICU,2026-10-25T02:30+01:00,2026-10-25T07:00,",
    )
    words = ["shifts", "import", file, "--timezone", "Europe/Berlin", "--yes"]
    said = runner.invoke(args=words).stderr.splitlines()
    assert said[:2] == [
        "line 2: starts_at: is skipped that day",
        "line 3: starts_at: comes twice that day; add its offset",
    ]
    assert said[2].startswith("Error: Nothing was imported: 2 of 3")


@sqlite_only
@pytest.mark.parametrize("zone", ["Berlin", "../../etc/passwd", "Europe", ""])
def test_what_is_no_time_zone_is_refused(
    runner: FlaskCliRunner, nurse: Account, roster: Path, zone: str
) -> None:
    result = runner.invoke(args=["shifts", "import", fill(roster), "--timezone", zone])
    assert result.exit_code == 2
    assert "is no time zone" in result.stderr


@sqlite_only
def test_it_asks_before_a_roster_begins(
    app: Flask, auth: Auth, runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    file = fill(roster, f"{EMAIL},ICU,2060-03-01T07:00:00Z,2060-03-01T19:00:00Z,")
    result = runner.invoke(args=["shifts", "import", file], input="n\n")
    assert result.exit_code == 1
    assert "A roster begins" in result.stderr
    assert stored(sql) == []
    assert auth.login().status_code == 200
    done(runner, "shifts", "import", file, stdin="y\n")
    assert auth.login().status_code == 403


@sqlite_only
def test_a_dry_run_imports_nothing(
    runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    file = fill(roster, f"{EMAIL},ICU,2060-03-01T07:00:00Z,2060-03-01T19:00:00Z,")
    assert "Every line is good: 1 shifts." in done(runner, "shifts", "import", file, "--dry-run")
    assert stored(sql) == []


def test_an_imported_shift_lets_a_session_go_on(
    app: Flask, auth: Auth, runner: FlaskCliRunner, nurse: Account, roster: Path
) -> None:
    give_shift(app, nurse.id)
    pair = auth.tokens()
    done(runner, "shifts", "import", fill(roster, f"{EMAIL},ICU,{at(7 * HOUR)},{at(9 * HOUR)},"))
    after = auth.refresh(pair["refresh"]).get_json()
    longer = moment(after["session"]["expires_at"]) - moment(pair["session"]["expires_at"])
    assert HOUR < longer <= 2 * HOUR + timedelta(seconds=2)


def test_many_lines_are_imported_at_once(
    runner: FlaskCliRunner, nurse: Account, roster: Path, sql: Sql
) -> None:
    start = datetime(2060, 1, 1, 7, tzinfo=UTC)
    begins = [start + number * 12 * HOUR for number in range(1200)]
    lines = [f"{EMAIL},ICU,{each.isoformat()},{(each + 8 * HOUR).isoformat()}," for each in begins]
    told = done_json(runner, "shifts", "import", fill(roster, *lines), "--yes")
    assert told["imported"] == len(stored(sql)) == len(events(sql, Event.SHIFT_CREATED)) == 1200


@sqlite_only
def test_the_list_shows_what_is_on_and_to_come(
    app: Flask, auth: Auth, runner: FlaskCliRunner, nurse: Account
) -> None:
    other = auth.create_user("other@ward.example")
    past = give_shift(app, nurse.id, -9 * HOUR, -HOUR)
    present = give_shift(app, nurse.id)
    there = give_shift(app, other.id, unit="Ward 7")
    dropped = give_shift(app, other.id, 10 * HOUR, 12 * HOUR, cancelled=True)

    def ids(*words: str) -> list[int]:
        return [row["id"] for row in done_json(runner, "shifts", "list", *words)]

    assert ids() == [present, there]
    assert ids("--all") == [past, present, there, dropped]
    assert ids("--unit", "ICU") == ids("--user", EMAIL) == [present]
    shown = done(runner, "shifts", "list")
    assert ("Ward 7" in shown, "False" in shown) == (True, False)
    assert "no unit" in refused(runner, "shifts", "list", "--unit", "Moon")
