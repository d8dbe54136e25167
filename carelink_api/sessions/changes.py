"""What workers and housekeeper read by: ended sessions in the order of their change numbers."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.engine import Connection, Row
from sqlalchemy.orm import Session as Sql

from .models import ChangeCounter, Session

_COLUMNS = (
    Session.id,
    Session.refuse_from,
    Session.end_reason,
    Session.change_number,
    Session.latest_expires_at,
)
ChangeRow = Row[str, datetime | None, str | None, int | None, datetime]
CounterRow = Row[int, datetime | None]
_Query = Select[str, datetime | None, str | None, int | None, datetime]
_STREAMED = 1000


def take_change_number(sql: Sql) -> int:
    """Take the next number. Do it before any session row is locked: its lock orders commits."""
    taken = sql.execute(
        update(ChangeCounter)
        .where(ChangeCounter.id == 1)
        .values(value=ChangeCounter.value + 1)
        .returning(ChangeCounter.value)
    )
    return taken.scalar_one()


def refuse_logins_before(sql: Sql, moment: datetime) -> None:
    """Refuse every session that started before, also one of which no row is left."""
    sql.execute(
        update(ChangeCounter).where(ChangeCounter.id == 1).values(refuse_logins_before=moment)
    )


def read_counter(connection: Connection) -> CounterRow:
    """Return the newest committed change number, and before when every login is refused."""
    columns = (ChangeCounter.value, ChangeCounter.refuse_logins_before)
    return connection.execute(select(*columns).where(ChangeCounter.id == 1)).one()


def changes_after(connection: Connection, number: int) -> Sequence[ChangeRow]:
    """Return every session that changed after `number`, oldest change first."""
    return _read(connection, select(*_COLUMNS).where(Session.change_number > number))


def refused_since(connection: Connection, since: datetime) -> Sequence[ChangeRow]:
    """Return every session refused from a time after `since`, or from a time ahead."""
    return _read(connection, select(*_COLUMNS).where(Session.refuse_from > since))


def refused_between(
    connection: Connection, after: datetime, until: datetime
) -> Sequence[ChangeRow]:
    """Return every session whose end, decided on earlier, has come due since."""
    due = (Session.refuse_from > after, Session.refuse_from <= until)
    return _read(connection, select(*_COLUMNS).where(*due))


def stream_refused(connection: Connection, now: datetime) -> Iterator[Sequence[ChangeRow]]:
    """Yield, a thousand at a time and in flat memory, the sessions that Redis should hold."""
    query = select(*_COLUMNS).where(*_refused_at(now))
    with connection.execution_options(yield_per=_STREAMED).execute(query) as result:
        yield from result.partitions()


def count_refused(sql: Sql, now: datetime) -> int:
    """Return how many sessions Redis should hold now."""
    count = select(func.count()).select_from(Session)
    return sql.execute(count.where(*_refused_at(now))).scalar_one()


def _refused_at(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Express: refused already, and a token of it could still be alive."""
    return Session.refuse_from <= now, Session.latest_expires_at > now


def _read(connection: Connection, query: _Query) -> Sequence[ChangeRow]:
    return connection.execute(query.order_by(Session.change_number)).all()
