"""Use case of operations: import accounts, whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Sql

from ..accounts.codes import FIRST_LIFETIME
from ..accounts.importing import PersonDraft
from ..accounts.models import User
from ..accounts.one_time import IssuedCode, prepared
from ..accounts.passwords import NO_PASSWORD
from ..accounts.service import EmailTaken
from ..audit.events import Event
from ..audit.record import record_many
from ..database import writing
from .accounts import Change, apply_change
from .batches import batches
from .denylist import Entry
from .ending import publish

_BATCH = 500
Handed = tuple[PersonDraft, IssuedCode]
"""Who has been given an account, and the code with which it begins."""


@dataclass(frozen=True)
class Imported:
    """What an import has done."""

    created: int
    changed: int
    sessions_ended: int
    redis_knows: bool


def import_users(
    sql: Sql,
    drafts: Sequence[PersonDraft],
    *,
    why: str,
    now: datetime,
    actor: str,
    hand_out: Callable[[Sequence[Handed]], None] | None,
    done: Callable[[int], None],
) -> Imported:
    """Create the accounts that there are not yet and change those that differ, in one transaction.

    They begin without a password. `hand_out` gets each one's code, before the commit: what cannot
    be handed out is not made. Where it is None no code is made. `done` is told of each batch.
    Raises EmailTaken where somebody has created one of them meanwhile.
    """
    new = [draft for draft in drafts if draft.known_id is None]
    differing = [draft for draft in drafts if draft.changes]
    done(len(drafts) - len(new) - len(differing))
    with writing(sql):
        entries = _change_all(sql, differing, why, now, actor)
        done(len(differing))
        handed: list[Handed] = []
        for batch in batches(new, _BATCH):
            handed += _create(sql, batch, hand_out is not None, why, now, actor)
            done(len(batch))
        if hand_out is not None:
            hand_out(handed)
    return Imported(len(new), len(differing), len(entries), publish(entries))


def _change_all(
    sql: Sql, drafts: Sequence[PersonDraft], why: str, now: datetime, actor: str
) -> list[Entry]:
    """Lock every account first, in order: each change then waits for nobody, as a login might."""
    ids = sorted(draft.known_id for draft in drafts if draft.known_id is not None)
    for some in batches(ids, _BATCH):
        locked = select(User.id).where(User.id.in_(some)).order_by(User.id).with_for_update()
        sql.execute(locked).all()
    entries: list[Entry] = []
    for draft in drafts:
        change = Change(draft.name, draft.user_type, draft.unit_id, draft.unit_id is None)
        if draft.known_id is not None:
            entries += apply_change(sql, draft.known_id, change, now=now, actor=actor, why=why)
    return entries


def _create(
    sql: Sql, drafts: Sequence[PersonDraft], with_codes: bool, why: str, now: datetime, actor: str
) -> list[Handed]:
    ids = _insert(sql, drafts, now)
    _tell(sql, Event.USER_CREATED, ids, why, now, actor)
    if not with_codes:
        return []
    made = [prepared(user_id, now, FIRST_LIFETIME) for user_id in ids]
    sql.add_all(row for row, _ in made)
    sql.flush()
    _tell(sql, Event.CODE_MADE, ids, why, now, actor)
    return [(draft, code) for draft, (_, code) in zip(drafts, made, strict=True)]


def _tell(
    sql: Sql, event: Event, user_ids: Sequence[int], why: str, now: datetime, actor: str
) -> None:
    record_many(sql, event, [(user_id, {}) for user_id in user_ids], now=now, actor=actor, why=why)


def _insert(sql: Sql, drafts: Sequence[PersonDraft], now: datetime) -> Sequence[int]:
    ordered = insert(User).returning(User.id, sort_by_parameter_order=True)
    rows = [
        {
            "email": draft.email,
            "name": draft.name,
            "user_type": draft.user_type,
            "unit_id": draft.unit_id,
            "password_hash": NO_PASSWORD,
            "created_at": now,
            "password_changed_at": now,
        }
        for draft in drafts
    ]
    try:
        return sql.scalars(ordered, rows).all()
    except IntegrityError:
        raise EmailTaken(
            "Somebody has created one of these accounts meanwhile. Import the file again."
        ) from None
