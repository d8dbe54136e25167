"""Refusals that strangers can cause, as many as they like: of each reason, address and minute of a
worker one event or two, with a count, so that nobody can fill the trail.

The first of a minute leaves its event at once (of a throttle), or within a second; how many
followed is said in one more, when the minute is over. A worker that dies loses its last counts.
"""

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from flask import Flask, Response, current_app
from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from .. import web
from ..audit.events import Event, Outcome
from ..audit.record import event_values
from ..audit.stored import EVENTS
from ..database import write_lock
from ..errors import TokenNotValid, answer

log = structlog.get_logger(__name__)

EXTENSION = "carelink.refusal_counts"
KEPT_FOR = timedelta(minutes=1)
MOST = 1000
"""Addresses of whom is counted apart; those beyond are counted together."""
_OWN_EVENT = ("/api/auth/refresh/", "/api/token/refresh/")
"""What a session's row refuses there leaves an event that names the session."""


@dataclass(frozen=True)
class Refused:
    """What was refused to whom."""

    event: Event
    reason: str
    route: str | None
    address: str | None
    limit: str | None = None


@dataclass
class _Minute:
    began_at: datetime
    untold: int = 0
    is_told: bool = False
    """The first has left its event."""


class RefusalCounts:
    """One per worker. `flush` is called by a background thread, off any request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._minutes: dict[Refused, _Minute] = {}

    def is_first(self, refused: Refused, now: datetime) -> bool:
        """Count one; return whether it is the first of its minute: the caller writes its event."""
        with self._lock:
            minute = self._minute(refused, now)
            if minute.is_told:
                minute.untold += 1
                return False
            minute.is_told = True
            return True

    def note(self, refused: Refused, now: datetime) -> None:
        """Count one; the next `flush` writes the event of the first."""
        with self._lock:
            self._minute(refused, now).untold += 1

    def flush(self, now: datetime) -> None:
        """Write what is due; what fails is tried again."""
        with self._lock:
            due = {
                refused: replace(minute)
                for refused, minute in self._minutes.items()
                if minute.began_at + KEPT_FOR <= now or (minute.untold and not minute.is_told)
            }
            for refused, minute in due.items():
                self._minutes[refused].untold, self._minutes[refused].is_told = 0, True
                if minute.began_at + KEPT_FOR <= now:
                    del self._minutes[refused]
        rows = [_event(refused, m, now) for refused, m in due.items() if m.untold]
        if not rows:
            return
        try:
            with self._engine.connect() as plain, write_lock(plain) as connection:
                connection.execute(insert(EVENTS), rows)
        except SQLAlchemyError as error:
            log.warning("refusals_not_written", kind=type(error).__name__)
            self._put_back(due)

    def _minute(self, refused: Refused, now: datetime) -> _Minute:
        return self._minutes.setdefault(self._counted_as(refused), _Minute(now))

    def _counted_as(self, refused: Refused) -> Refused:
        is_one_more = refused not in self._minutes and len(self._minutes) >= MOST
        return replace(refused, address=None) if is_one_more else refused

    def _put_back(self, due: dict[Refused, _Minute]) -> None:
        with self._lock:
            for refused, minute in due.items():
                there = self._minutes.setdefault(self._counted_as(refused), minute)
                if there is not minute:
                    there.untold += minute.untold


def init_app(app: Flask, counts: RefusalCounts) -> None:
    """Let every refused token that leaves no event of its own be counted."""
    app.extensions[EXTENSION] = counts
    app.register_error_handler(TokenNotValid, _refuse_token)


def _refuse_token(error: TokenNotValid) -> Response:
    reason, route = error.members.get("reason"), web.route_template()
    at_refresh = route in _OWN_EVENT
    # An access token expires every few minutes in everybody's hands: that is nothing to be told.
    is_told = reason not in (None, "expired") if at_refresh else reason == "expired"
    if not is_told:
        refused = Refused(Event.TOKEN_REFUSED, reason or "not_ours", route, web.host())
        counts: RefusalCounts = current_app.extensions[EXTENSION]
        counts.note(refused, web.now())
    return answer(error)


def _event(refused: Refused, minute: _Minute, now: datetime) -> dict[str, object]:
    values = event_values(
        refused.event,
        now=now,
        outcome=Outcome.REFUSED,
        reason=refused.reason,
        times=minute.untold,
        since=minute.began_at.isoformat(timespec="seconds"),
        **({"limit": refused.limit} if refused.limit else {}),
    )
    return values | {"address": refused.address, "route": refused.route, "role": None}
