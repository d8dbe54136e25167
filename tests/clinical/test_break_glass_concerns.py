"""Emergency accesses that somebody should look at closely, and who sees them at once."""

from typing import Any

import pytest
from flask.testing import FlaskCliRunner
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.break_glass.rules import Concern, concerns, concerns_of
from tests.auth_helper import Account
from tests.clinical.test_break_glass import PATH, opened
from tests.clinical.test_break_glass_reviews import RATES, judge, queue
from tests.clinical.test_patients_read import events, ids, one
from tests.clinical.ward import HOUR, Ward
from tests.ops.commands import done, refused

MARK = ("patients", "mark")


@pytest.fixture
def admin(ward: Ward) -> Account:
    return ward.user("admin@house.example", "admin")


@pytest.fixture
def record(ward: Ward) -> int:
    return ward.patient(mrn="KH-1", unit_id=ward.unit("ICU"))


def of_unit(ward: Ward, account: Account, unit_id: int) -> Any:
    return ward.get(account, f"/api/units/{unit_id}/break-glass/")


@pytest.mark.parametrize(
    ("owners", "staff", "vip", "found"),
    [
        ((None, None), None, False, []),
        ((8, None), None, False, []),
        ((None, 7), 7, False, [Concern.OWN]),
        ((7, None), None, False, [Concern.OWN]),
        ((8, 9), 9, True, [Concern.COLLEAGUE, Concern.VIP]),
        ((None, None), None, True, [Concern.VIP]),
    ],
)
def test_what_a_review_should_know(
    owners: tuple[int | None, ...], staff: int | None, vip: bool, found: list[Concern]
) -> None:
    assert concerns(7, owners, staff, vip=vip) == found
    assert concerns_of(",".join(found)) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--staff", "doctor@ward.example"], ["own"]),
        (["--staff", "colleague@ward.example", "--vip"], ["colleague", "vip"]),
        (["--vip"], ["vip"]),
    ],
)
def test_it_is_flagged_in_the_event_the_queue_and_the_rates_and_hidden_from_readers(
    words: list[str], found: list[str], ward: Ward, record: int, admin: Account,
    runner: FlaskCliRunner, sql: Sql,
) -> None:  # fmt: skip
    doctor, _ = ward.doctor(), ward.doctor(email="colleague@ward.example")
    done(runner, *MARK, "kh-1", *words)
    opened(ward, doctor, record)
    [(event, _)] = events(sql, "break_glass:opened")
    assert event.detail is not None
    assert (event.outcome, event.detail["concerns"]) == ("alert", found)
    [item] = queue(ward, admin).get_json()["items"]
    assert item["concerns"] == found
    [rate] = ward.get(admin, RATES).get_json()["items"]
    assert (rate["grants"], rate["flagged"]) == (1, 1)
    read = ward.get(doctor, one(record)).get_json()
    assert not {"vip", "staff_user_id", "concerns"} & read.keys()


def test_marks_are_taken_back_and_in_the_trail(
    ward: Ward, record: int, runner: FlaskCliRunner, sql: Sql
) -> None:
    doctor = ward.doctor()
    done(runner, *MARK, "KH-1", "--staff", doctor.email, "--vip")
    done(runner, *MARK, "KH-1", "--no-staff", "--no-vip")
    opened(ward, doctor, record)
    [(event, _)] = events(sql, "break_glass:opened")
    assert event.detail is not None
    assert "concerns" not in event.detail
    marks = events(sql, "patient:marked")
    assert [event.detail for event, _ in marks] == [
        {"mark": "staff", "set": True}, {"mark": "vip", "set": True},
        {"mark": "staff", "set": False}, {"mark": "vip", "set": False},
    ]  # fmt: skip
    assert all(about == [record] for _, about in marks)


def test_what_cannot_be_marked_is_said_in_one_sentence(
    ward: Ward, record: int, runner: FlaskCliRunner
) -> None:
    ward.user("ada@home.example", "patient")
    assert "a patient's account" in refused(runner, *MARK, "KH-1", "--staff", "ada@home.example")
    assert "no record with this MRN" in refused(runner, *MARK, "KH-2", "--vip")
    assert "no account" in refused(runner, *MARK, "KH-1", "--staff", "nobody@x.example")
    for words in ([], ["--staff", "a@b.example", "--no-staff"]):
        assert runner.invoke(args=[*MARK, "KH-1", *words]).exit_code == 2


def test_the_charge_nurse_sees_who_opened_records_of_her_unit_in_grace_too(
    ward: Ward, record: int, sql: Sql
) -> None:
    now, icu = clock.now(), ward.unit("ICU")
    charge = ward.nurse(icu, "charge@icu.example", in_charge=True)
    late = ward.nurse(
        ward.unit(), "late@ward.example", starts_at=now - 8 * HOUR, ends_at=now - HOUR / 4
    )
    elsewhere = ward.patient("Other", unit_id=ward.unit("Ward 9"))
    doctor = ward.doctor()
    first, second = opened(ward, doctor, record), opened(ward, late, record)
    opened(ward, doctor, elsewhere)
    ward.call(doctor, "DELETE", f"{PATH}{first}/")
    answer = of_unit(ward, charge, icu)
    assert ids(answer) == [second, first]
    grace, given_back = answer.get_json()["items"]
    assert (grace["in_handoff"], grace["open"]) == (True, True)
    assert grace["user"] == {"id": late.id, "name": "Late", "user_type": "nurse"}
    assert (given_back["in_handoff"], given_back["end_reason"]) == (False, "given_back")
    assert given_back["ended_at"] is not None
    assert "reason_text" not in grace
    [(event, about)] = events(sql, "break_glass:of_unit_listed")
    assert (event.outcome, about) == ("success", [record])


def test_nobody_else_sees_them(ward: Ward, record: int, admin: Account, sql: Sql) -> None:
    icu = ward.unit("ICU")
    in_charge = ward.nurse(ward.unit(), "other@ward.example", in_charge=True)
    nurse = ward.nurse(icu, "plain@icu.example")
    opened(ward, ward.doctor(), record)
    assert len(ids(of_unit(ward, admin, icu))) == 1
    for account, status in (
        (in_charge, 404),
        (nurse, 404),
        (ward.doctor(email="b@w.example"), 403),
    ):
        assert of_unit(ward, account, icu).status_code == status
    refusals = [each for each, _ in events(sql, "break_glass:of_unit_listed")][1:]
    assert [each.reason for each in refusals] == ["not_found", "not_found", "forbidden"]


def test_what_is_open_shows_in_the_metrics_by_unit_and_flag(
    ward: Ward, record: int, runner: FlaskCliRunner
) -> None:
    doctor = ward.doctor()
    done(runner, *MARK, "KH-1", "--vip")
    second = ward.patient("B", unit_id=ward.unit("ICU"))
    grants = [opened(ward, doctor, each) for each in (record, second)]
    line = 'carelink_break_glass_open{{flagged="{}",in_handoff="false",unit="ICU"}} 1.0'
    page = ward.auth.client.get("/metrics").text
    assert line.format("true") in page
    assert line.format("false") in page
    for grant in grants:
        ward.call(doctor, "DELETE", f"{PATH}{grant}/")
    assert "carelink_break_glass_open{" not in ward.auth.client.get("/metrics").text


def test_a_flagged_one_that_was_given_back_between_two_scrapes_waits_for_its_review_all_the_same(
    ward: Ward, record: int, admin: Account, runner: FlaskCliRunner
) -> None:
    doctor, line = ward.doctor(), "carelink_break_glass_flagged_unreviewed {}.0"
    opened(ward, doctor, ward.patient("B"))
    done(runner, *MARK, "KH-1", "--vip")
    assert line.format(0) in ward.auth.client.get("/metrics").text
    grant = opened(ward, doctor, record)
    ward.call(doctor, "DELETE", f"{PATH}{grant}/")
    assert line.format(1) in ward.auth.client.get("/metrics").text
    judge(ward, admin, grant)
    assert line.format(0) in ward.auth.client.get("/metrics").text
