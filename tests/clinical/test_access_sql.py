"""The SQL form of the rule agrees with the pure one, on people and ties of every kind."""

import itertools
import random
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import UserType
from carelink_api.clinical.access import Action, Granted, Tie, decide, granting, ties_of
from carelink_api.clinical.access_sql import tie_columns, ties_in, values_of, visible
from carelink_api.clinical.models import Appointment, CareTeamMember, Patient
from carelink_api.clinical.viewer import Viewer, look_up_viewer
from carelink_api.sessions.claims import AccessClaims
from tests.auth_helper import Account
from tests.clinical.ward import HOUR, Ward

DAY = 24 * HOUR
DRAWN = random.Random(20_261_122)
EDGES = [timedelta(), HOUR, -HOUR, 7 * DAY, -7 * DAY, 8 * DAY, -30 * DAY, -31 * DAY, -DAY, DAY]


def somewhen(now: datetime) -> datetime:
    """Return a moment near to where something begins or ends to count, or right on it."""
    return now + DRAWN.choice(EDGES) + timedelta(microseconds=DRAWN.choice([-1, 0, 1]))


@pytest.fixture
def hospital(ward: Ward, sql: Sql) -> tuple[list[Account], datetime]:
    """Two people of each type, 40 patients, and ties drawn at random; the moment they are about."""
    now = clock.now()
    units = [ward.unit(name) for name in ("A", "B", "C")]
    people = [ward.user(f"{kind}{n}@x.example", kind) for kind in UserType for n in (1, 2)]
    for person, unit_id in itertools.product(people, units):
        if person.user_type == "nurse" and DRAWN.random() < 0.7:
            ward.on_shift(person, unit_id, starts_at=now - 8 * HOUR,
                          ends_at=now + DRAWN.choice([-HOUR, -HOUR / 4, HOUR]))  # fmt: skip
    accounts = [*people, *[None] * 28]
    for number, account in enumerate(accounts):
        stays = DRAWN.random() < 0.7
        gone = somewhen(now) if stays and DRAWN.random() < 0.4 else None
        sql.add(
            Patient(
                mrn=f"M-{number:04}", name="P", name_key="p", user_id=account and account.id,
                unit_id=DRAWN.choice(units) if stays else None, discharged_at=gone,
                admitted_at=now - 40 * DAY if stays else None,
            )
        )  # fmt: skip
    sql.flush()
    for patient_id, person in itertools.product(sql.scalars(select(Patient.id)).all(), people):
        if DRAWN.random() < 0.2:
            first, last = sorted([somewhen(now), somewhen(now)])
            times = {"starts_at": first, "ends_at": DRAWN.choice([None, last])}
            sql.add(
                CareTeamMember(patient_id=patient_id, user_id=person.id, role="attending", **times)
            )
        if DRAWN.random() < 0.2:
            starts_at = somewhen(now)
            times = {"starts_at": starts_at, "ends_at": starts_at + HOUR / 2}
            status = DRAWN.choice(["booked", "fulfilled", "noshow", "cancelled"])
            who = {"patient_id": patient_id, "doctor_id": person.id}
            sql.add(Appointment(description="x", status=status, **who, **times))
    sql.commit()
    return people, now


def viewer_of(sql: Sql, person: Account, now: datetime) -> Viewer:
    claims = AccessClaims(
        user_id=person.id, sid="s", jti="j", generation=1, expires_at=0,
        user_type=person.user_type, fresh=True, auth_time=0,
    )  # fmt: skip
    return look_up_viewer(sql, claims, now)


def ties_by_hand(sql: Sql, viewer: Viewer, patient: Patient) -> set[Tie]:
    """Tell the ties once more, in Python."""
    now, ties = viewer.now, set()
    if patient.user_id == viewer.user_id:
        ties.add(Tie.SELF)
    theirs = patient.discharged_at is None or patient.discharged_at > now - DAY
    if theirs and patient.unit_id in viewer.on_shift:
        ties.add(Tie.UNIT)
    if theirs and patient.unit_id in viewer.in_handoff:
        ties.add(Tie.HANDOFF)
    for member in sql.scalars(select(CareTeamMember).filter_by(patient_id=patient.id)):
        lasts = member.ends_at is None or now < member.ends_at
        if member.user_id == viewer.user_id and member.starts_at <= now and lasts:
            ties.add(Tie.CARE_TEAM)
    for each in sql.scalars(select(Appointment).filter_by(patient_id=patient.id)):
        after = 7 if each.status == "noshow" else 30
        near = each.starts_at - 7 * DAY <= now < each.ends_at + after * DAY
        if each.doctor_id == viewer.user_id and each.status != "cancelled" and near:
            ties.add(Tie.APPOINTMENT)
    return ties & set(ties_of(viewer.user_type))


def test_lists_records_and_the_pure_rule_agree_on_every_person_patient_and_action(
    hospital: tuple[list[Account], datetime], sql: Sql, app: Flask
) -> None:
    people, now = hospital
    patients = sql.scalars(select(Patient)).all()
    seen = 0
    for person in people:
        with app.app_context():
            viewer = viewer_of(sql, person, now)
        values = values_of(viewer)
        rows = sql.execute(select(Patient.id, *tie_columns(viewer.user_type)), values)
        found = {row.id: set(ties_in(row)) for row in rows}
        assert found == {each.id: ties_by_hand(sql, viewer, each) for each in patients}, person
        for action in Action:
            asked = select(Patient.id).where(visible(viewer.user_type, action))
            listed = set(sql.scalars(asked, values))
            allowed = {
                id for id, ties in found.items()
                if isinstance(decide(viewer.user_type, ties, action), Granted)
            }  # fmt: skip
            assert listed == allowed, (person, action)
            assert not listed or granting(viewer.user_type, action)
            seen += len(listed)
    assert seen > 50
