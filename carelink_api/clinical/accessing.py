"""The one way to patient data: a transaction that ends with exactly one audit event.

    with accessing(sql, claims, Event.PATIENT_READ, now=now) as access:
        return access.chart(patient_id, Action.READ)

The event is written in the request's own transaction and committed before the answer leaves. A
refusal rolls back what was begun and leaves its one event too. What cannot be audited is not
shown, and not done: 503 (45 CFR 164.312(b), ASVS 16.3.2).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import Any, TypeVar

import structlog
from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import joinedload

from ..audit.events import Event, Outcome
from ..audit.record import acting, record
from ..database import writing
from ..errors import CareLinkError, Conflict, Forbidden, NotFound, Unavailable
from ..idempotency.attempts import Attempt
from ..idempotency.keeping import claim, keep
from ..sessions.claims import AccessClaims
from .access import Action, Granted, Refusal, Tie, decide, listing, may_admit_to
from .access_sql import tie_columns, ties_in, values_of, visible
from .models import CareTeamMember, Patient
from .record_models import Handoff, Note, Observation
from .viewer import Viewer, look_up_viewer

log = structlog.get_logger(__name__)

R = TypeVar("R", CareTeamMember, Handoff, Note, Observation)


class BreakGlassAvailable(Forbidden):
    """If there is such a record, only an emergency opens it: told to doctors and nurses alone.

    Of an id that is not in use they are told the same: who counts through them learns nothing.
    """

    code, title = "break_glass_available", "Break-glass available"
    detail = "No care relationship with such a patient. In an emergency, break the glass."


class InHandoff(Forbidden):
    code, title = "in_handoff", "In handoff time"
    detail = "The shift has ended: finish, sign and hand over, but begin nothing new."


class BreakGlassNotNeeded(Conflict):
    code, title = "break_glass_not_needed", "Break-glass not needed"
    detail = "This record is open to you, by your work or by a grant of this session. Read it."


_REFUSED: dict[Refusal, type[CareLinkError]] = {
    Refusal.HIDDEN: NotFound,
    Refusal.FORBIDDEN: Forbidden,
    Refusal.IN_HANDOFF: InHandoff,
    Refusal.BREAK_GLASS_AVAILABLE: BreakGlassAvailable,
}


@dataclass
class Access:
    """What one request does with patient data."""

    sql: Sql
    viewer: Viewer
    patient_ids: list[int] = field(default_factory=list)
    ties: dict[Tie, int] = field(default_factory=dict)
    """The viewer's to the patient whose chart was opened, each with the id of its cause."""
    detail: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome = Outcome.SUCCESS
    """What the event says where nothing is refused."""
    is_repeated: bool = False
    """Nothing new is told or done: the event of the first time stands."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """What a statement with `visible` in it is executed with."""
        return values_of(self.viewer)

    def chart(self, patient_id: int, action: Action) -> Patient:
        """Return the patient with whom the viewer may do that; for any action but reading, locked.

        One statement. Raises NotFound, Forbidden, InHandoff, BreakGlassAvailable.
        """
        found = self._look_up(patient_id, lock=action not in (Action.READ, Action.READ_LOG))
        patient, self.ties = found or (None, {})
        verdict = self._decide(self.ties, action)
        if isinstance(verdict, Refusal):
            raise _REFUSED[verdict]()
        assert patient is not None  # without a tie nothing is granted
        self.detail |= {"basis": str(verdict.basis), "basis_id": self.ties[verdict.basis]}
        return patient

    def closed_chart(self, patient_id: int) -> Patient:
        """Return the patient, locked, whose record only an emergency opens to the viewer.

        Raises NotFound, BreakGlassNotNeeded.
        """
        # First the lock: beside a row that had to be waited for, PostgreSQL would show the ties of
        # before, and of two at once both would open it.
        self.sql.execute(
            select(Patient.id).where(Patient.id == patient_id).with_for_update(key_share=True)
        )
        found = self._look_up(patient_id, lock=False)
        if found is None:
            raise NotFound()
        patient, ties = found
        match self._decide(ties, Action.READ):
            case Refusal.BREAK_GLASS_AVAILABLE:
                return patient
            case Granted(basis):
                self.detail |= {"tied_by": str(basis)}
                raise BreakGlassNotNeeded()
            case refusal:
                raise _REFUSED[refusal]()

    def _decide(self, ties: dict[Tie, int], action: Action) -> Granted | Refusal:
        return decide(self.viewer.user_type, ties, action, on_duty=self.viewer.on_duty)

    def _look_up(self, patient_id: int, *, lock: bool) -> tuple[Patient, dict[Tie, int]] | None:
        """Return the patient and the viewer's ties to them, in one statement; None: nobody."""
        asked = _record_of(self.viewer.user_type, lock=lock)
        row = self.sql.execute(asked, self.values | {"patient_id": patient_id}).one_or_none()
        if row is None:
            self.detail["asked_for"] = patient_id
            return None
        self.patient_ids = [patient_id]
        return row[0], ties_in(row)

    def may(self, action: Action) -> bool:
        """Say whether the viewer may do that, too, with the patient of `chart`."""
        return isinstance(self._decide(self.ties, action), Granted)

    def may_admit_to(self, unit_id: int | None) -> None:
        """Allow a record of somebody new, in a unit or (None) in none.

        Raises Forbidden, InHandoff.
        """
        viewer = self.viewer
        if may_admit_to(viewer.user_type, on_shift_there=unit_id in viewer.on_shift):
            return
        raise InHandoff() if unit_id in viewer.in_handoff else Forbidden()

    def one(self, statement: Select[*tuple[Any, ...]]) -> Row[*tuple[Any, ...]]:
        """Return the one row that the statement finds. Raises NotFound."""
        row = self.sql.execute(statement).one_or_none()
        if row is None:
            raise NotFound()
        return row

    def of_patient(self, kind: type[R], record_id: int, patient_id: int) -> R:
        """Return a record of this very patient, to change it. Raises NotFound."""
        found = self.sql.get(kind, record_id)
        if found is None or found.patient_id != patient_id:
            raise NotFound()
        return found

    def once(self, attempt: Attempt | None, create: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Create; or return what this very attempt was answered when it has created before.

        What it was answered then, and nothing of what has become of it: so it leaves no second
        event. Raises KeyReused.
        """
        if attempt is None:
            return create()
        known = claim(self.sql, attempt, self.viewer.user_id, self.viewer.now)
        if known is not None:
            self.is_repeated = True
            return known
        made = create()
        keep(self.sql, attempt, self.viewer.user_id, made)
        return made

    def visible(self, action: Action = Action.READ) -> ColumnElement[bool]:
        """Return the condition on `Patient` for a list or a count, executed with `values`.

        Raises Forbidden for a user type that never sees a patient.
        """
        if not listing(self.viewer.user_type, action):
            self.detail["why"] = "user_type"
            raise Forbidden()
        return visible(self.viewer.user_type, action)

    def showed(self, patient_ids: Sequence[int], **detail: Any) -> None:
        """Say whose data a list shows."""
        self.patient_ids = list(patient_ids)
        self.about(**detail)

    def about(self, **detail: Any) -> None:
        """Say more for the audit event: ids and names of fields, never what stands in them."""
        self.detail |= detail


@cache
def _record_of(user_type: str, *, lock: bool) -> Select[*tuple[Any, ...]]:
    """Return what selects a patient, and by which ties such a viewer may see them."""
    asked = (
        select(Patient, *tie_columns(user_type))
        .options(joinedload(Patient.unit))
        .where(Patient.id == bindparam("patient_id"))
    )
    return asked.with_for_update(of=Patient, key_share=True) if lock else asked


@contextmanager
def accessing(sql: Sql, claims: AccessClaims, event: Event, *, now: datetime) -> Iterator[Access]:
    """Run one access in one transaction, and audit it once. Raises Unavailable; see above."""
    try:
        with writing(sql):
            access = Access(sql, look_up_viewer(sql, claims, now))
            yield access
            sql.flush()
            if not access.is_repeated:
                _audit(access, event, access.outcome)
    except CareLinkError as refusal:
        if not isinstance(refusal, Unavailable):
            with writing(sql):
                _audit(access, event, Outcome.REFUSED, refusal.code)
        raise


def _audit(access: Access, event: Event, outcome: Outcome, reason: str | None = None) -> None:
    viewer = access.viewer
    try:
        record(
            access.sql,
            event,
            now=viewer.now,
            outcome=outcome,
            reason=access.detail.pop("why", reason),
            actor=acting(viewer.user_id),
            user_id=viewer.user_id,
            sid=viewer.sid,
            jti=viewer.jti,
            patient_ids=access.patient_ids,
            **access.detail,
        )
    except SQLAlchemyError as fault:
        log.error("access_not_audited", kind=type(fault).__name__, exc_info=fault)
        raise Unavailable() from fault
