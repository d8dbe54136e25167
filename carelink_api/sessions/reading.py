"""Where the pulse is in reading what has ended: whole, page by page, and then change by change.

The whole list is read by time, beginning with the counter's value of that moment. What commits
while the pages are read has a higher number, since numbers commit in their order, and is read as a
change afterwards: so nothing is missed, however long the pages take.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .changes import read_counter
from .ended import KEEP_SECONDS
from .pages import SMALLEST, Page, Place, changed_after, refused_after

_TOO_SLOW = ("57014", "55P03")
"""PostgreSQL has ended a statement that took too long, and is still the server that it was."""
_NOTHING = Page((), None)


@dataclass
class WholeReading:
    """A reading of everything that counts, under way."""

    newest: int
    """The change number up to which it knows everything when it is done."""
    place: Place
    ahead: set[str] = field(default_factory=set)
    """Sessions of which the end lies ahead: whatever else was thought to end later does not."""


@dataclass(frozen=True)
class Found:
    """What one look into SQL has found."""

    page: Page
    newest: int
    refuse_before: datetime | None
    key_change: int
    whole: WholeReading | None
    """The page is one of everything, and not of what has changed."""
    whole_begun: bool = False

    @property
    def complete(self) -> bool:
        """Nothing is left to read of what was committed before this look."""
        return self.page.next_after is None and (self.whole is None or self.whole_begun)

    @property
    def ends_whole(self) -> bool:
        return self.page.next_after is None and self.whole is not None


class Reader:
    """Reads a page at a time, and moves on only after somebody has learned it."""

    def __init__(self, largest_page: int) -> None:
        self._largest = self._size = largest_page
        self._place: Place | None = None
        """From which change on it is to read; None before the list has been read whole."""
        self._highest = 0
        self._whole: WholeReading | None = None

    def start_over(self) -> None:
        """Read the list whole next."""
        self._place = self._whole = None

    def read(self, connection: Connection, now: datetime) -> Found:
        """Return the next page: two statements, or one where nothing has changed."""
        newest, refuse_before, key_change = read_counter(connection)
        if newest < self._highest:  # a database restored from a backup
            self.start_over()
        whole = self._whole
        if self._place is None and whole is None:
            since = now - timedelta(seconds=KEEP_SECONDS)
            whole = WholeReading(newest, (since, 0, ""))
        if whole is not None:
            page = refused_after(connection, whole.place, self._size)
            return Found(page, newest, refuse_before, key_change, whole, whole is not self._whole)
        assert self._place is not None
        news = newest >= self._place[0]
        page = changed_after(connection, self._place, self._size) if news else _NOTHING
        return Found(page, newest, refuse_before, key_change, None)

    def move_on(self, found: Found) -> None:
        """Note that a page has been learned."""
        self._size = min(self._largest, self._size * 2)
        self._whole, following = found.whole, found.page.next_after
        if found.whole is None:
            last = max([found.newest, *(group.change_number for group in found.page.groups)])
            self._place = following or (last + 1, "")
            self._highest = last
        elif following is not None:
            found.whole.place = following
            self._highest = found.whole.newest
        else:
            self._highest = found.whole.newest
            self._whole, self._place = None, (self._highest + 1, "")

    def fail(self, error: SQLAlchemyError) -> bool:
        """Read smaller pages after a statement that took too long; else the list whole again.

        Returns whether it goes on where it was: on the very server that it has read before.
        """
        cause = error.orig if isinstance(error, DBAPIError) else None
        if getattr(cause, "sqlstate", None) in _TOO_SLOW:
            self._size = max(min(SMALLEST, self._largest), self._size // 2)
            return True
        self.start_over()
        return False
