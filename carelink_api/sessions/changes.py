"""What workers and housekeeper read by: ended sessions in the order of their change numbers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, func, select, update
from sqlalchemy.engine import Connection, Row
from sqlalchemy.orm import Session as Sql
from sqlalchemy.sql.dml import ReturningUpdate

from .models import ChangeCounter, Session

_COLUMNS = (
    Session.id,
    Session.refuse_from,
    Session.end_reason,
    Session.change_number,
    Session.latest_expires_at,
)
ChangeRow = Row[str, datetime | None, str | None, int | None, datetime]
CounterRow = Row[int, datetime | None, int]
_Query = Select[str, datetime | None, str | None, int | None, datetime]
_STREAMED = 1000
_COUNTER = cast(Table, ChangeCounter.__table__)
_COUNT_CHANGE, _COUNT_KEY_CHANGE = (
    update(_COUNTER).where(_COUNTER.c.id == 1).values({column: column + 1}).returning(column)
    for column in (_COUNTER.c.value, _COUNTER.c.key_change)
)


def take_change_number(sql: Sql) -> int:
    """Take the next number. Do it before any session row is locked: its lock orders commits."""
    return _take(sql, _COUNT_CHANGE)


def refuse_logins_before(sql: Sql, moment: datetime) -> None:
    """Refuse every session that started before, also one of which no row is left.

    Only ever raised: a command that began earlier and ends later takes nothing back.
    """
    former = ChangeCounter.refuse_logins_before
    sql.execute(
        update(ChangeCounter)
        .where(ChangeCounter.id == 1, former.is_(None) | (former < moment))
        .values(refuse_logins_before=moment)
    )


def take_key_change(sql: Sql) -> int:
    """Count a change of the keys. Do it before any of their rows is read: its lock orders them."""
    return _take(sql, _COUNT_KEY_CHANGE)


def _take(sql: Sql, counted: ReturningUpdate[Any]) -> int:
    number: int = sql.connection().execute(counted).scalar_one()
    return number


def read_counter(connection: Connection) -> CounterRow:
    """Return the newest committed change number, before when every login is refused, and the
    newest change of keys.
    """
    columns = (
        ChangeCounter.value, ChangeCounter.refuse_logins_before, ChangeCounter.key_change,
    )  # fmt: skip
    return connection.execute(select(*columns).where(ChangeCounter.id == 1)).one()


def stream_changes(connection: Connection, number: int) -> Iterator[Sequence[ChangeRow]]:
    """Yield every session that changed after `number`, oldest change first."""
    return _stream(connection, Session.change_number > number)


def stream_due(
    connection: Connection, after: datetime, until: datetime
) -> Iterator[Sequence[ChangeRow]]:
    """Yield every session whose end, decided on earlier, has come due since."""
    return _stream(connection, Session.refuse_from > after, Session.refuse_from <= until)


def stream_refused(connection: Connection, now: datetime) -> Iterator[Sequence[ChangeRow]]:
    """Yield the sessions that Redis should hold."""
    return _stream(connection, *_refused_at(now))


def count_refused(sql: Sql, now: datetime) -> int:
    """Return how many sessions Redis should hold now."""
    count = select(func.count()).select_from(Session)
    return sql.execute(count.where(*_refused_at(now))).scalar_one()


def _refused_at(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Express: refused already, and a token of it could still be alive."""
    return Session.refuse_from <= now, Session.latest_expires_at > now


def _stream(
    connection: Connection, *which: ColumnElement[bool]
) -> Iterator[Sequence[ChangeRow]]:  # fmt: skip
    """Yield rows a thousand at a time, in flat memory."""
    query: _Query = select(*_COLUMNS).where(*which).order_by(Session.change_number)
    with connection.execute(query, execution_options={"yield_per": _STREAMED}) as result:
        yield from result.partitions()
