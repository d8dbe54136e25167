"""Write an audit event, in the transaction of what it tells about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Select, Table, insert, literal
from sqlalchemy.orm import Session as Sql

from .. import metrics, web
from .events import Event, Outcome
from .models import AuditedPatient, AuditEvent, salt_of_row

_INSERT = insert(cast(Table, AuditEvent.__table__))
_INSERT_ABOUT_PATIENTS = _INSERT.returning(AuditEvent.id)
_INSERT_PATIENTS = insert(cast(Table, AuditedPatient.__table__))


def record(
    sql: Sql,
    event: Event,
    *,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str | None = None,
    actor: str | None = None,
    user_id: int | None = None,
    sid: str | None = None,
    jti: str | None = None,
    patient_ids: Sequence[int] = (),
    **detail: Any,
) -> None:
    """Insert one event: one statement, no commit. Where it came from is read off the request.

    `patient_ids` are those whose data it showed or changed; they take a second statement.
    `detail` must hold no password, token, e-mail address or patient data (ASVS 16.2.5).
    """
    values = event_values(event, now=now, outcome=outcome, reason=reason, actor=actor, **detail)
    values |= {"user_id": user_id, "sid": sid, "jti": jti}
    metrics.count_event(event, outcome)
    connection = sql.connection()
    if not patient_ids:
        connection.execute(_INSERT, values)
        return
    event_id = connection.execute(_INSERT_ABOUT_PATIENTS, values).scalar_one()
    about = [{"patient_id": each, "event_id": event_id} for each in sorted(set(patient_ids))]
    connection.execute(_INSERT_PATIENTS, about)


def record_each(
    sql: Sql,
    event: Event,
    about: Select[int, str],
    count: int,
    *,
    outcome: Outcome = Outcome.SUCCESS,
    jti: str | None = None,
    **shared: Any,
) -> None:
    """Insert one event for each of the `count` rows of `about` (user id, `sid`): one statement.

    `shared` is what `event_values` takes.
    """
    values = event_values(event, outcome=outcome, **shared) | {"jti": jti}
    metrics.count_event(event, outcome, count)
    columns = AuditEvent.__table__.c
    told = [literal(value, columns[name].type) for name, value in values.items()]
    rows = about.add_columns(salt_of_row(), *told)
    sql.execute(_INSERT.from_select(["user_id", "sid", "salt", *values], rows))


def event_values(
    event: Event,
    *,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str | None = None,
    actor: str | None = None,
    **detail: Any,
) -> dict[str, Any]:
    """Return the columns that many events of one act share."""
    origin = web.origin()
    return {
        "recorded_at": now,
        "event": event,
        "outcome": outcome,
        "reason": reason,
        "actor": actor,
        "request_id": origin.request_id,
        "address": origin.address,
        "route": origin.route,
        "detail": detail or None,
    }


def acting(user_id: int) -> str:
    """Return how an event names a user who acts."""
    return f"user:{user_id}"
