"""Which shifts bind a new session (`docs/design.md`, section 3)."""

from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ..accounts.models import User
from ..api import rfc3339
from ..config import Settings
from ..errors import OutsideShift
from ..shifts import service as roster
from ..shifts.rules import Duty


def duty_for_login(sql: Sql, user: User, settings: Settings, now: datetime) -> Duty | None:
    """Return the stretch of shifts that caps a session which starts now; None where none does.

    The shifts stay locked until commit. Nobody is bound before their unit's first shift: a ward
    that keeps no roster goes on as it did (`docs/decisions/13-shifts.md`). Raises OutsideShift.
    """
    if user.user_type not in settings.shift_bound_user_types:
        return None
    duty = roster.lock_duty(sql, user.id, now)
    if duty is None and roster.binds(sql, user):
        following = roster.next_starts_at(sql, user.id, now)
        raise OutsideShift(rfc3339(following) if following else None)
    return duty
