"""Who has created what under which key, in the transaction that creates it.

The row is written first: of two requests at once the second waits at it until the first is
committed, and then reads what that was answered; or creates, where the first was rolled back.
"""

from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as insert_in_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_in_sqlite
from sqlalchemy.orm import Session as Sql

from ..api import JSON_OPTIONS
from ..errors import CareLinkError, Unavailable
from .attempts import Attempt
from .models import IdempotencyKey

KEPT_FOR = timedelta(days=1)
_ATTEMPTS = 3


class KeyReused(CareLinkError):
    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"
    detail = "Something else has been created with this Idempotency-Key. Nothing was changed now."


def claim(sql: Sql, attempt: Attempt, user_id: int, now: datetime) -> dict[str, Any] | None:
    """Return what this attempt has been answered already; None: it is ours to answer.

    Times in it are text. Raises KeyReused where the key stands for another request, Unavailable
    where it comes and goes.
    """
    for _ in range(_ATTEMPTS):
        if _insert(sql, attempt, user_id, now):
            return None
        columns = select(IdempotencyKey.fingerprint, IdempotencyKey.answer)
        known = sql.execute(columns.where(*_named(attempt, user_id))).one_or_none()
        if known is None:  # it was there, and its day was over just now: as if it had never been
            continue
        if known.fingerprint != attempt.fingerprint:
            raise KeyReused()
        answer: dict[str, Any] = orjson.loads(known.answer)
        return answer
    raise Unavailable(1)


def _insert(sql: Sql, attempt: Attempt, user_id: int, now: datetime) -> bool:
    """Take the key; return whether it was free."""
    insert = insert_in_sqlite if _is_sqlite(sql) else insert_in_postgresql
    mine = insert(IdempotencyKey).values(
        user_id=user_id,
        route=attempt.route,
        key=attempt.key,
        fingerprint=attempt.fingerprint,
        created_at=now,
    )
    taken = mine.on_conflict_do_nothing().returning(IdempotencyKey.key)
    return sql.execute(taken).first() is not None


def keep(sql: Sql, attempt: Attempt, user_id: int, answer: dict[str, Any]) -> None:
    """Remember what a claimed attempt is answered."""
    told = orjson.dumps(answer, option=JSON_OPTIONS).decode()
    sql.execute(update(IdempotencyKey).where(*_named(attempt, user_id)).values(answer=told))


def forget(sql: Sql, now: datetime, *, most: int) -> int:
    """Remove some of what is older than a day; return how many. Commits nothing."""
    over = select(IdempotencyKey.created_at).where(IdempotencyKey.created_at < now - KEPT_FOR)
    times = sql.scalars(over.order_by(IdempotencyKey.created_at).limit(most)).all()
    if times:
        sql.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= times[-1]))
    return len(times)


def _named(attempt: Attempt, user_id: int) -> tuple[Any, ...]:
    return (
        IdempotencyKey.user_id == user_id,
        IdempotencyKey.route == attempt.route,
        IdempotencyKey.key == attempt.key,
    )


def _is_sqlite(sql: Sql) -> bool:
    return sql.get_bind().dialect.name == "sqlite"
