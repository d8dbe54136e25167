"""Use case of operators: erase a person, as far as no law keeps what is there (GDPR Art. 17).

What goes: e-mail, password, sessions' devices and addresses, the tie to a record of one's own,
addresses and typed reasons in the audit trail. What stays: the row and its id, to which records and
the trail point; the name of who has written into records (Art. 17(3)(b) and (c)), patients' records
themselves, rosters and break-glass grants.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session as Sql

from ..accounts import service
from ..accounts.models import User, UserType
from ..audit.erasing import erase_beside, erase_events, owns_the_trail
from ..audit.events import Event
from ..audit.record import record
from ..clinical.models import Patient
from ..database import writing
from ..sessions.accounts import disable_user
from ..sessions.models import Session

_WRITES_RECORDS = (UserType.DOCTOR, UserType.NURSE)


class MayNotErase(Exception):
    """The account that serves may not erase events: only the one that owns the tables may."""


@dataclass(frozen=True)
class Erased:
    """What an erasure has done."""

    email: str
    """By what the account is found from now on."""
    events: int
    redis_knows: bool


def erase_user(sql: Sql, user_id: int, *, now: datetime, actor: str) -> Erased:
    """Erase a person; whoever is interrupted does it again. Raises NotFound, MayNotErase.

    In steps, each a transaction: a long career leaves a million events.
    """
    if owns_the_trail(sql) is False:
        raise MayNotErase
    _, redis_knows = disable_user(sql, user_id, now=now, actor=actor)
    with writing(sql):  # first the word of it: no event is erased of which nothing tells
        record(sql, Event.USER_ERASED, now=now, actor=actor, user_id=user_id, stage="begun")
    events = _erase_trail(sql, user_id)
    nobody_s = service.hash_new_password(secrets.token_urlsafe(32), context=[])
    with writing(sql):
        email = _erase_account(sql, user_id, nobody_s, now)
        record(
            sql,
            Event.USER_ERASED,
            now=now,
            actor=actor,
            user_id=user_id,
            stage="done",
            events=events,
        )
    return Erased(email, events, redis_knows)


def _erase_trail(sql: Sql, user_id: int) -> int:
    return sum(_to_the_end(sql, user_id, step) for step in (erase_events, erase_beside))


def _to_the_end(sql: Sql, user_id: int, step: Callable[..., tuple[int, int | None]]) -> int:
    erased, after = 0, 0
    while True:
        with writing(sql):
            count, further = step(sql, user_id, after=after)
        erased += count
        if further is None:
            return erased
        after = further


def _erase_account(sql: Sql, user_id: int, password_hash: str, now: datetime) -> str:
    user = sql.get_one(User, user_id, with_for_update={"of": User})
    user.email = f"erased-{user_id}@erased.invalid"
    if user.user_type not in _WRITES_RECORDS:
        user.name = "Erased"
    user.password_hash = password_hash
    user.password_changed_at = now
    user.unit_id = None
    sql.flush()
    sql.execute(
        update(Patient)
        .where(Patient.user_id == user_id)
        .values(user_id=None, version=Patient.version + 1)
    )
    sql.execute(
        update(Session).where(Session.user_id == user_id).values(device_name=None, address=None)
    )
    return user.email
