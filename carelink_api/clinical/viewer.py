"""Who asks, and what of it the rule needs to know."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session as Sql

from ..sessions.claims import AccessClaims
from ..shifts.service import on_shift
from .access import Tie, ties_of

NOWHERE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is logged in, at a moment. Nothing of it comes from the request's own words."""

    user_id: int
    user_type: str
    sid: str
    jti: str
    now: datetime
    on_shift: frozenset[int] = NOWHERE
    """Units."""
    in_handoff: frozenset[int] = NOWHERE
    """Units in whose shift only the handoff time is left."""

    @property
    def on_duty(self) -> bool:
        """In shift or handoff time; meaningless for whom no roster binds."""
        return bool(self.on_shift or self.in_handoff)


def look_up_viewer(sql: Sql, claims: AccessClaims, now: datetime) -> Viewer:
    """Return who asks; reads the roster, in one statement, only for whom it means something."""
    on, off = NOWHERE, NOWHERE
    if Tie.UNIT in ties_of(claims.user_type):
        where = on_shift(sql, claims.user_id, now)
        on, off = where.units, where.handoff_units
    return Viewer(claims.user_id, claims.user_type, claims.sid, claims.jti, now, on, off)
