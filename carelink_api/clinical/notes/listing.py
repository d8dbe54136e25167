"""Reading clinical notes and their versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, select
from sqlalchemy.orm import Session as Sql

from ...accounts.models import User
from ...audit.events import Event
from ...errors import NotFound
from ...sessions.claims import AccessClaims
from ..access import Action
from ..accessing import Access, accessing
from ..paging import Page, read_page
from ..people import named, person
from ..record_models import Note, NoteVersion

Shown = dict[str, Any]
# The columns that are shown, and no more: a user's row holds a password hash.
_COLUMNS = select(
    Note.id,
    Note.patient_id,
    Note.category,
    Note.created_at,
    Note.version,
    NoteVersion.version.label("number"),
    NoteVersion.text,
    NoteVersion.because,
    NoteVersion.signed_at,
    *named(User, "signer"),
)
_NEWEST = _COLUMNS.join(
    NoteVersion, and_(NoteVersion.note_id == Note.id, NoteVersion.version == Note.version)
).join(User, NoteVersion.signed_by_id == User.id)
_ALL = _COLUMNS.join(NoteVersion, NoteVersion.note_id == Note.id).join(
    User, NoteVersion.signed_by_id == User.id
)


def list_notes(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    *,
    page: int,
    page_size: int,
    now: datetime,
    category: str | None = None,
) -> Page[Shown]:
    """Return a page of a patient's notes, each as it reads now.

    Raises as `Access.chart`, and Unavailable.
    """
    with accessing(sql, viewer, Event.NOTES_LISTED, now=now) as access:
        access.chart(patient_id, Action.READ)
        asked = _NEWEST.where(Note.patient_id == patient_id)
        if category is not None:
            asked = asked.where(Note.category == category)
        asked = asked.order_by(Note.created_at.desc(), Note.id.desc())
        found = read_page(sql, asked, page=page, page_size=page_size).map(_shown)
        access.about(note_ids=[each["id"] for each in found.items])
        return found


def read_note(
    sql: Sql, viewer: AccessClaims, patient_id: int, note_id: int, *, now: datetime
) -> Shown:
    """Return a note as it reads now. Raises as `Access.chart`, NotFound, Unavailable."""
    with accessing(sql, viewer, Event.NOTE_READ, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(note_id=note_id)
        return one(access, patient_id, note_id)


def list_versions(
    sql: Sql,
    viewer: AccessClaims,
    patient_id: int,
    note_id: int,
    *,
    page: int,
    page_size: int,
    now: datetime,
) -> Page[Shown]:
    """Return a page of what a note has read, the newest version first.

    Raises as `Access.chart`, NotFound, Unavailable.
    """
    with accessing(sql, viewer, Event.NOTE_READ, now=now) as access:
        access.chart(patient_id, Action.READ)
        access.about(note_id=note_id, asked=["versions"])
        asked = _ALL.where(Note.id == note_id, Note.patient_id == patient_id)
        asked = asked.order_by(NoteVersion.version.desc())
        found = read_page(sql, asked, page=page, page_size=page_size)
        if not found.total:
            raise NotFound()
        return found.map(_shown)


def latest_of(sql: Sql, patient_id: int, most: int) -> list[Shown]:
    """Return a patient's latest notes, each as it reads now; within an access."""
    asked = _NEWEST.where(Note.patient_id == patient_id)
    rows = sql.execute(asked.order_by(Note.created_at.desc(), Note.id.desc()).limit(most))
    return [_shown(row) for row in rows]


def one(access: Access, patient_id: int, note_id: int) -> Shown:
    """Return what is shown of a patient's note. Raises NotFound."""
    asked = _NEWEST.where(Note.id == note_id, Note.patient_id == patient_id)
    return _shown(access.one(asked))


def _shown(row: Row[*tuple[Any, ...]]) -> Shown:
    return {**row._mapping, "signed_by": person(row, "signer")}
