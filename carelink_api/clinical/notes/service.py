"""Use cases of clinical notes: write and amend.

There are no drafts here: what reaches the record is signed by who sends it, in handoff time too,
which is there to finish what was begun.
"""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session as Sql

from ...audit.events import Event
from ...errors import Forbidden
from ...idempotency.attempts import Attempt
from ...sessions.claims import AccessClaims
from ...versions import change
from ..access import Action
from ..accessing import accessing
from ..record_models import Note, NoteVersion
from .listing import Shown, one


def write(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    category: str,
    text: str,
    now: datetime,
    attempt: Attempt | None = None,
) -> Shown:
    """Write a note, signed by the viewer. Raises as `Access.chart`, KeyReused, Unavailable."""

    def create() -> Shown:
        note = Note(patient_id=patient_id, category=category, created_at=now, version=1)
        sql.add(note)
        sql.flush()
        _sign(sql, note, text, None, viewer.user_id, now)
        access.about(note_id=note.id)
        return one(access, patient_id, note.id)

    with accessing(sql, viewer, Event.NOTE_SIGNED, now=now) as access:
        access.chart(patient_id, Action.WRITE)
        return access.once(attempt, create)


def amend(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    note_id: int,
    *,
    text: str,
    because: str,
    version: int,
    now: datetime,
    attempt: Attempt | None = None,
) -> Shown:
    """Sign one more version of a note: for who has signed one of it.

    Another who disagrees writes a note of their own: nobody's words change under their name.
    Raises as `Access.chart`, NotFound, Forbidden, PreconditionFailed, KeyReused, Unavailable.
    """

    def create() -> Shown:
        note = access.of_patient(Note, note_id, patient_id)
        if not _has_signed(sql, note_id, viewer.user_id):
            raise Forbidden()
        change(note, version)
        _sign(sql, note, text, because, viewer.user_id, now)
        return one(access, patient_id, note_id)

    with accessing(sql, viewer, Event.NOTE_AMENDED, now=now) as access:
        access.chart(patient_id, Action.WRITE)
        access.about(note_id=note_id)
        return access.once(attempt, create)


def _has_signed(sql: Sql, note_id: int, user_id: int) -> bool:
    signed = exists().where(NoteVersion.note_id == note_id, NoteVersion.signed_by_id == user_id)
    return bool(sql.scalar(select(signed)))


def _sign(
    sql: Sql, note: Note, text: str, because: str | None, user_id: int, now: datetime
) -> None:
    sql.add(
        NoteVersion(
            note_id=note.id,
            version=note.version,
            text=text,
            because=because,
            signed_by_id=user_id,
            signed_at=now,
        )
    )
    sql.flush()
