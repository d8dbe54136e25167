"""What is written in the records of the demo hospital's patients."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.orm import Session as Sql

from ..clinical.models import CareTeamMember, Patient
from ..clinical.observations.codes import VITAL_SIGNS
from ..clinical.record_models import Handoff, Note, NoteVersion, Observation, PatientOwner
from .demo_courses import HISTORY, STEADY, course_of, readings
from .demo_house import House, Lying
from .demo_people import DOCTORS, PLACES, Admitted
from .demo_roster import slot_at

Rows = list[dict[str, Any]]
_Text = tuple[str, str | None, int, datetime]
"""A version of a note: its words, why it was amended, who has signed it and when."""
_BACKGROUND = {
    "ICU": ("Second day after open heart surgery.", "Severe pneumonia, was ventilated.",
            "Head injury after a fall, watched closely.", "Acute pancreatitis."),
    "Emergency": ("Chest pain since this morning.", "Fell from a ladder.",
                  "Abdominal pain, surgeon asked.", "Dehydrated after three days of vomiting."),
    "Ward 7": ("Community-acquired pneumonia.", "Heart failure, sent in by the family doctor.",
               "New diabetes, learning to inject.", "Cellulitis of the left leg.",
               "Second day after hip replacement."),
}  # fmt: skip
_ALLERGIES = ("No known allergies.", "Allergic to penicillin.", "Allergic to latex.")
_PENDING_EVERY = 5
_STAYS_FROM = timedelta(hours=50)


def write_records(sql: Sql, house: House, now: datetime) -> None:
    """Write two days into empty records, in the caller's transaction."""
    sql.execute(insert(PatientOwner), [_owner(house, each, now) for each in house.patients])
    sql.execute(insert(CareTeamMember), list(_care_teams(house, now)))
    sql.execute(insert(Handoff), list(_handoffs(house, now)))
    _write_notes(sql, list(_notes(house, now)))
    write_rounds(sql, house, now)


def write_rounds(sql: Sql, house: House, now: datetime) -> None:
    """Write the rounds that have been due since the last one, at most those of two days."""
    spans, here = _spans(sql), _who_is_here(sql)
    rows = [
        row
        for each in house.patients
        if each.id in here
        for row in _rounds(house, each, spans.get(each.id), now)
    ]
    if rows:
        sql.execute(insert(Observation), rows)


def admitted_at(who: Admitted, now: datetime) -> datetime:
    """Return since when somebody lies there: longer than there are vital signs of them."""
    return now - _STAYS_FROM - timedelta(minutes=Random(who.mrn).randrange(9000))  # noqa: S311


def attending(house: House, patient: Lying) -> int:
    """Return the id of the doctor who treats a patient."""
    doctors = house.doctors[patient.who.place.name]
    return doctors[patient.who.number % DOCTORS]


def owner_of(house: House, patient: Lying, now: datetime) -> int:
    """Return the id of the nurse who answers for a patient in the present shift."""
    carers = house.carers_at(patient.who.place.name, now)
    return carers[patient.who.number % len(carers)]


def _owner(house: House, patient: Lying, now: datetime) -> dict[str, Any]:
    since = slot_at(now).starts_at
    return {"patient_id": patient.id, "user_id": owner_of(house, patient, now), "since": since}


def _care_teams(house: House, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield who treats whom; every fifth patient has a consultant from another unit as well."""
    units = [place.name for place in PLACES]
    for each in house.patients:
        tie = {"patient_id": each.id, "starts_at": admitted_at(each.who, now)}
        yield {"user_id": attending(house, each), "role": "attending"} | tie
        if each.who.number % 5 == 4:
            elsewhere = units[units.index(each.who.place.name) - 1]
            yield {"user_id": house.doctors[elsewhere][-1], "role": "consulting"} | tie


def _handoffs(house: House, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the shift change of each patient, and some handoffs that wait for somebody.

    The first of the latter in each unit is a colleague's, for the printed nurse to accept.
    """
    change = slot_at(now).starts_at
    for each in house.patients:
        unit, owner = each.who.place.name, owner_of(house, each, now)
        before = house.nurses_at(unit, change - timedelta(minutes=1))
        given = {"given_by_id": before[each.who.number % len(before)], "given_at": change}
        closed = {"status": "accepted", "closed_by_id": owner, "closed_at": change, "version": 2}
        yield _sbar(each) | given | closed
        if each.who.number % _PENDING_EVERY == 1:
            given = {"given_by_id": owner, "given_at": now - timedelta(minutes=20)}
            open_ = {"status": "pending", "closed_by_id": None, "closed_at": None, "version": 1}
            yield _sbar(each) | given | open_


def _sbar(patient: Lying) -> dict[str, Any]:
    course = course_of(patient.who.place.name, patient.who.number)
    return {
        "patient_id": patient.id,
        "situation": course.situation,
        "background": _background(patient),
        "assessment": course.assessment,
        "recommendation": course.recommendation,
    }


def _background(patient: Lying) -> str:
    known = _BACKGROUND[patient.who.place.name]
    allergy = _ALLERGIES[patient.who.number * 5 % 7 % len(_ALLERGIES)]
    return f"{known[patient.who.number % len(known)]} {allergy}"


def _notes(house: House, now: datetime) -> Iterator[tuple[dict[str, Any], Rows]]:
    """Yield each note with its versions: on admission, of the last shift, and of what is new."""
    for each in house.patients:
        course = course_of(each.who.place.name, each.who.number)
        night = slot_at(now).starts_at - timedelta(minutes=40)
        nurses = house.nurses_at(each.who.place.name, night)
        nurse = nurses[each.who.number % len(nurses)]
        doctor, begun = attending(house, each), admitted_at(each.who, now) + timedelta(minutes=35)
        yield _note(each, "admission", [(_background(each), None, doctor, begun)])
        texts: list[_Text] = [("Slept well, ate little.", None, nurse, night)]
        if each.who.number % 4 == 1:
            texts.append(("Slept well, ate well.", "Asked the relatives.", nurse,
                          night + timedelta(minutes=9)))  # fmt: skip
        yield _note(each, "nursing", texts)
        if course is not STEADY:
            seen = f"{course.situation} {course.assessment} {course.recommendation}"
            yield _note(each, "progress", [(seen, None, doctor, now - timedelta(minutes=50))])


def _note(patient: Lying, category: str, texts: Sequence[_Text]) -> tuple[dict[str, Any], Rows]:
    versions: Rows = [
        {"version": number, "text": text, "because": because, "signed_by_id": by, "signed_at": at}
        for number, (text, because, by, at) in enumerate(texts, 1)
    ]
    created_at = texts[0][3]
    note = {"patient_id": patient.id, "category": category, "created_at": created_at}
    return note | {"version": len(versions)}, versions


def _write_notes(sql: Sql, notes: list[tuple[dict[str, Any], Rows]]) -> None:
    ordered = insert(Note).returning(Note.id, sort_by_parameter_order=True)
    ids = sql.scalars(ordered, [note for note, _ in notes]).all()
    rows = [
        {"note_id": id} | each
        for id, (_, versions) in zip(ids, notes, strict=True)
        for each in versions
    ]
    sql.execute(insert(NoteVersion), rows)


def _who_is_here(sql: Sql) -> set[int]:
    in_a_bed = (Patient.admitted_at.is_not(None), Patient.discharged_at.is_(None))
    return set(sql.scalars(select(Patient.id).where(*in_a_bed)))


def _spans(sql: Sql) -> dict[int, Row[int, datetime, datetime]]:
    """Return the first and the last time that anything was measured, by patient."""
    at = Observation.effective_at
    asked = select(Observation.patient_id, func.min(at), func.max(at))
    return {row[0]: row for row in sql.execute(asked.group_by(Observation.patient_id))}


def _rounds(
    house: House, patient: Lying, span: Row[int, datetime, datetime] | None, now: datetime
) -> Iterator[dict[str, Any]]:
    since, end = now - HISTORY, now
    if span is not None:
        since, end = max(since, span[2]), span[1] + HISTORY
    place = patient.who.place
    course = course_of(place.name, patient.who.number)
    every = timedelta(hours=place.hours_between_rounds)
    for reading in readings(patient.who.mrn, course, every, since=since, until=now, end=end):
        nurses = house.nurses_at(place.name, reading.measured_at)
        yield {
            "patient_id": patient.id,
            "code": reading.code,
            "value": reading.value,
            "unit": VITAL_SIGNS[reading.code].unit,
            "effective_at": reading.measured_at,
            "recorded_at": min(reading.measured_at + timedelta(minutes=2), now),
            "recorded_by_id": nurses[patient.who.number % len(nurses)],
        }
