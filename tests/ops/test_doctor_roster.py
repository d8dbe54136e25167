"""What the command `doctor` says of the roster."""

import json
from datetime import timedelta

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import User
from carelink_api.ops.doctor_roster import RosterFacts, check_roster
from tests.auth_helper import Auth
from tests.clinical.ward import HOUR, Ward
from tests.conftest import MakeApp

GOOD = RosterFacts(unstaffed=[], overlapping=[], bound=30, without_shift=4)
QUIET = {"units": "ok", "overlaps": "ok", "people": "ok"}


@pytest.fixture
def ward(auth: Auth) -> Ward:
    return Ward(auth.app)


def told(runner: FlaskCliRunner) -> tuple[dict[str, str], dict[str, str]]:
    """Return the state of each check of the roster, and what was found."""
    result = runner.invoke(args=["doctor", "--json"])
    rows = [
        row | {"check": row["check"].removeprefix("roster: ")}
        for row in json.loads(result.stdout)["checks"]
        if row["check"].startswith("roster")
    ]
    return (
        {row["check"]: row["state"] for row in rows},
        {row["check"]: row["found"] for row in rows},
    )


def test_the_doctor_finds_what_is_missing_and_what_is_twice(
    ward: Ward, runner: FlaskCliRunner, sql: Sql
) -> None:
    now, day = clock.now(), timedelta(hours=24)
    ada = ward.user("ada@ward.example", "nurse", unit="Ward 7")
    assert told(runner)[1] == {"roster": "binds nobody"}  # nobody was ever given a shift
    bo = ward.user("bo@ward.example", "nurse", unit="Ward 7")
    ward.user("doc@ward.example", "doctor", unit="Clinic")  # not bound: no shift is missed there
    here, icu = ward.unit("Ward 7"), ward.unit("ICU")
    late = {"starts_at": now + day + HOUR, "ends_at": now + day + 9 * HOUR}
    ward.on_shift(ada, here, **late)
    ward.on_shift(ada, here, cancelled_at=now)
    ward.on_shift(ada, here, starts_at=now - 9 * HOUR, ends_at=now - HOUR)
    states, found = told(runner)
    assert states == QUIET | {"units": "warn"}
    assert found["units"] == "No shift in the coming 24 hours: Ward 7."
    assert found["people"] == "1 of 2 whom shifts bind have none to come"

    ward.on_shift(bo, here, ends_at=now + 4 * HOUR)
    assert told(runner)[0] == QUIET
    ward.on_shift(bo, here, starts_at=now + 4 * HOUR, ends_at=now + 8 * HOUR)  # back to back
    ward.on_shift(bo, icu, cancelled_at=now)
    assert told(runner)[0] == QUIET
    ward.on_shift(bo, icu, starts_at=now + 3 * HOUR, ends_at=now + 4 * HOUR)
    states, found = told(runner)
    assert states == QUIET | {"overlaps": "warn"}
    assert found["overlaps"] == "Shifts of one person overlap: bo@ward.example."

    sql.get_one(User, bo.id).disabled_at = now
    sql.commit()
    states, found = told(runner)
    assert states == QUIET | {"units": "warn"}  # whoever is disabled neither works nor overlaps
    assert found["people"] == "0 of 1 whom shifts bind have none to come"


def test_a_roster_that_binds_nobody_is_no_matter_for_the_doctor(
    ward: Ward, make_app: MakeApp
) -> None:
    nurse = ward.user("ada@ward.example", "nurse", unit="Ward 7")
    ward.on_shift(nurse, ward.unit("Ward 7"), cancelled_at=clock.now())
    runner = make_app(shift_bound_user_types=[]).test_cli_runner()
    assert told(runner)[1] == {"roster": "binds nobody"}


def test_a_finding_names_five_and_counts_the_others() -> None:
    names = [f"Ward {number}" for number in range(1, 8)]
    units, overlaps, people = check_roster(
        RosterFacts(unstaffed=names, overlapping=names[:5], bound=9, without_shift=9)
    )
    assert units.found.endswith("Ward 1, Ward 2, Ward 3, Ward 4, Ward 5 and 2 more.")
    assert overlaps.found.endswith("Ward 4, Ward 5.")
    assert people.found == "9 of 9 whom shifts bind have none to come"
    for each in (units, overlaps):
        assert (each.state, bool(each.why), bool(each.mend)) == ("warn", True, True)
    assert {each.state for each in check_roster(GOOD)} == {"ok"}
