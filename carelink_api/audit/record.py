"""Write an audit event, in the transaction of what it tells about."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    CTE,
    Connection,
    Insert,
    Integer,
    Select,
    String,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Session as Sql

from .. import clock, metrics, web
from .canonical import moment
from .events import Event, Outcome
from .models import AuditedPatient, new_salt, salt_of_row
from .stored import EVENTS

_PATIENTS = cast(Table, AuditedPatient.__table__)
_INSERT = insert(EVENTS)


_VALUES = {c.name: bindparam(f"event_{c.name}", type_=c.type) for c in EVENTS.c if c.name != "id"}


def inserted_with(change: CTE) -> Insert:
    """Return what makes a change and inserts an event for each row of it: PostgreSQL's.

    `event_parameters` are its parameters, beside those of the change.
    """
    event = select(*_VALUES.values()).select_from(change)
    return _INSERT.from_select(list(_VALUES), event)


def event_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's columns as parameters of such a statement."""
    told = dict.fromkeys(EVENTS.c.keys()) | {"salt": new_salt()} | dict(values)
    return {f"event_{name}": value for name, value in told.items()}


def _with_patients() -> Insert:
    """Return what inserts an event and whom it is about in one statement; PostgreSQL's."""
    event = _INSERT.values(_VALUES).returning(EVENTS.c.id).cte("event")
    whom = func.unnest(bindparam("whom", type_=ARRAY(Integer)))
    return insert(_PATIENTS).from_select(["patient_id", "event_id"], select(whom, event.c.id))


def _patients() -> Insert:
    """Return what inserts whom an event is about, from a JSON list; SQLite's."""
    whom = func.json_each(bindparam("whom", type_=String)).table_valued("value")
    event_id = bindparam("event_id", type_=Integer)
    return insert(_PATIENTS).from_select(["patient_id", "event_id"], select(whom.c.value, event_id))


_INSERT_WITH_PATIENTS, _INSERT_PATIENTS = _with_patients(), _patients()
BACKDATED = timedelta(minutes=30)
"""Less than what `audit verify` takes for an event that somebody has written in."""
_INSERT_ABOUT_PATIENTS = _INSERT.returning(EVENTS.c.id)


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

    `patient_ids` are those whose data it showed or changed; on SQLite they take a second statement.
    `detail` must hold no password, token, e-mail address or patient data (ASVS 16.2.5).
    """
    values = event_values(event, now=now, outcome=outcome, reason=reason, actor=actor, **detail)
    values |= {"user_id": user_id, "sid": sid, "jti": jti}
    metrics.count_event(event, outcome)
    connection = sql.connection()
    if not patient_ids:
        connection.execute(_INSERT, values)
        return
    _insert_about(connection, values, sorted(set(patient_ids)))


def _insert_about(connection: Connection, values: dict[str, Any], whom: list[int]) -> None:
    """Insert an event and whom it is about; one row each would cost as much as the list itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(_INSERT_WITH_PATIENTS, event_parameters(values) | {"whom": whom})
        return
    event_id = connection.execute(_INSERT_ABOUT_PATIENTS, values).scalar_one()
    connection.execute(_INSERT_PATIENTS, {"whom": json.dumps(whom), "event_id": event_id})


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
    told = [literal(value, EVENTS.c[name].type) for name, value in values.items()]
    rows = about.add_columns(salt_of_row(), *told)
    sql.execute(_INSERT.from_select(["user_id", "sid", "salt", *values], rows))


def record_many(
    sql: Sql,
    event: Event,
    about: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    now: datetime,
    actor: str,
    **shared: Any,
) -> None:
    """Insert one event for each: a user id, and what is told of it beside `shared`."""
    metrics.count_event(event, Outcome.SUCCESS, len(about))
    rows = [
        event_values(event, now=now, actor=actor, **shared, **told) | {"user_id": user_id}
        for user_id, told in about
    ]
    sql.connection().execute(_INSERT, rows)


def event_values(
    event: Event,
    *,
    now: datetime,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str | None = None,
    actor: str | None = None,
    **detail: Any,
) -> dict[str, Any]:
    """Return the columns that many events of one act share.

    `recorded_at` is when it is written. Of an act that lies back for longer than any request takes
    (an import of what was) `occurred_at` in `detail` says when it was.
    """
    origin = web.origin()
    if now < clock.now() - BACKDATED:
        detail["occurred_at"], now = moment(now), clock.now()
    return {
        "recorded_at": now,
        "event": event,
        "outcome": outcome,
        "reason": reason,
        "actor": actor,
        "request_id": origin.request_id,
        "address": origin.address,
        "route": origin.route,
        "role": origin.role,
        "detail": detail or None,
    }


HOUSEKEEPER = "housekeeper"
"""How an event names what nobody but time has done."""


def acting(user_id: int) -> str:
    """Return how an event names a user who acts."""
    return f"user:{user_id}"
