"""What is written in the records of the demo patients: vital signs of two days, notes, handoffs."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Sql

from ..clinical.models import Patient
from ..clinical.observations.codes import VITAL_SIGNS
from ..clinical.record_models import Handoff, Note, NoteVersion, Observation, PatientOwner
from ..database import writing

_USUAL = {
    "8867-4": (78, 9),
    "9279-1": (16, 2),
    "8310-5": (36.9, 0.4),
    "8480-6": (126, 11),
    "8462-4": (78, 7),
    "59408-5": (96.5, 1.2),
}
"""Mean and spread."""
_EVERY = timedelta(hours=4)
_ROUNDS = 12


def ensure_records(sql: Sql, nurse_id: int, now: datetime) -> bool:
    """Write into the records of the patients who have none; return whether there was one."""
    with writing(sql):
        begun = select(Observation.patient_id)
        empty = sql.scalars(select(Patient.id).where(Patient.id.not_in(begun))).all()
        rows = [row for patient_id in empty for row in _vital_signs(patient_id, nurse_id, now)]
        if rows:
            sql.execute(insert(Observation), rows)
            sql.execute(insert(PatientOwner), [_owner(each, nurse_id, now) for each in empty])
            sql.execute(insert(Handoff), [_handoff(each, nurse_id, now) for each in empty[::3]])
            _write_notes(sql, empty, nurse_id, now)
    return bool(empty)


def _write_notes(sql: Sql, patient_ids: Sequence[int], nurse_id: int, now: datetime) -> None:
    """Write a note for each, which has been amended once."""
    about = {"category": "nursing", "created_at": now - _EVERY, "version": 2}
    notes = [Note(patient_id=each, **about) for each in patient_ids]
    sql.add_all(notes)
    sql.flush()
    texts = ("Slept well, ate little.", None), ("Slept well, ate well.", "Asked the relatives.")
    versions = [
        {"note_id": note.id, "version": number, "text": text, "because": because,
         "signed_by_id": nurse_id, "signed_at": now - _EVERY + number * timedelta(minutes=9)}
        for note in notes
        for number, (text, because) in enumerate(texts, 1)
    ]  # fmt: skip
    sql.execute(insert(NoteVersion), versions)


def _owner(patient_id: int, nurse_id: int, now: datetime) -> dict[str, Any]:
    return {"patient_id": patient_id, "user_id": nurse_id, "since": now - 2 * _EVERY}


def _handoff(patient_id: int, nurse_id: int, now: datetime) -> dict[str, Any]:
    """Return one that waits for whoever comes on shift."""
    return {
        "patient_id": patient_id,
        "situation": "Stable. Last round without findings.",
        "background": "Admitted for observation; no known allergies.",
        "assessment": "Vital signs within the usual range, pain 2 of 10.",
        "recommendation": "Continue rounds every four hours; mobilise twice a day.",
        "given_by_id": nurse_id,
        "given_at": now - timedelta(minutes=20),
        "status": "pending",
    }


def _vital_signs(patient_id: int, nurse_id: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield two days of rounds; the same for a patient each time."""
    chance = Random(patient_id)  # noqa: S311  # made up, no secret
    own = {code: chance.gauss(mean, spread) for code, (mean, spread) in _USUAL.items()}
    for round_ in range(_ROUNDS):
        measured_at = now - _EVERY * (_ROUNDS - round_) + timedelta(minutes=chance.randrange(45))
        for code, (_, spread) in _USUAL.items():
            sign = VITAL_SIGNS[code]
            value = min(round(chance.gauss(own[code], spread / 3), 1), sign.maximum)
            yield {
                "patient_id": patient_id,
                "code": code,
                "value": value if code == "8310-5" else round(value),
                "unit": sign.unit,
                "effective_at": measured_at,
                "recorded_at": measured_at + timedelta(minutes=2),
                "recorded_by_id": nurse_id,
            }
