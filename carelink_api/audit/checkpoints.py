"""Checkpoints: signed statements of how far the trail has got, in the database and outside of it.

What stands outside shows a cut tail, a restored backup and a chain that was written anew, also by
somebody who has the keys and the whole database.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson
import structlog
from sqlalchemy import insert, select
from sqlalchemy.orm import Session as Sql

from ..database import writing
from .canonical import canonical, moment
from .chain import GROWN, Statement
from .faults import Fault, Found
from .keys import AuditKeys
from .models import AuditBlock, AuditCheckpoint

log = structlog.get_logger(__name__)

_LINE = "audit_checkpoint"
_MARK = f'"event":"{_LINE}"'
"""How a line says that it is one: no quotes can be smuggled into a JSON log, the words can."""


@dataclass(frozen=True)
class Signed:
    """A statement with its signature, wherever it was found."""

    statement: Statement
    signature: bytes

    def as_line(self) -> str:
        told = self.statement
        line = {
            "event": _LINE,
            "kind": told.kind,
            "block": told.block,
            "seq": told.seq,
            "head": told.head.hex(),
            "made_at": moment(told.made_at),
            "key_id": told.key_id,
            "signature": self.signature.hex(),
        }
        return canonical(line).decode()


class Notary:
    """Signs every so often, and tells the outside."""

    def __init__(
        self,
        keys: AuditKeys,
        every: timedelta,
        file: str = "",
        tell: Callable[[str], None] = click.echo,
    ) -> None:
        self._keys = keys
        self._key = keys.current
        self._every = every
        self._file = Path(file) if file else None
        self._tell = tell
        self._next_at: datetime | None = None
        self._told_id: int | None = None
        """The last checkpoint that is known to stand outside."""
        self.is_told = True
        """Whether all that was signed stands outside."""

    def round(self, sql: Sql, now: datetime) -> bool:
        """Sign if it is due and something was sealed, and publish; return whether it signed."""
        made = False
        due = self._next_at
        if due is None or not due - self._every <= now < due:  # or the clock was put back
            made = self._sign(sql, now)
            self._next_at = now + self._every
        self._publish(sql)
        return made

    def _sign(self, sql: Sql, now: datetime) -> bool:
        newest = select(
            AuditBlock.number,
            AuditBlock.first_seq,
            AuditBlock.size,
            AuditBlock.head,
            AuditBlock.key_id,
            AuditBlock.seal,
        )
        with writing(sql):
            block = sql.execute(newest.order_by(AuditBlock.number.desc()).limit(1)).one_or_none()
            last = newest_checkpoint(sql)
            if block is None or (last is not None and last.block >= block.number):
                return False
            if not self._keys.have_sealed(block.key_id, block.head, block.seal):
                return False  # to sign it would be to vouch for whoever has
            seq = block.first_seq + block.size - 1
            told = Statement(GROWN, block.number, seq, block.head, now, self._key.id)
            store(sql, told, self._key.sign(told))
        return True

    def _publish(self, sql: Sql) -> None:
        """Write outside what does not stand there yet; what fails is tried again in each round."""
        last = newest_checkpoint(sql)
        if last is None or last.id == self._told_id:
            return
        try:
            lines = self._untold(sql, last.id)
            self._append(lines)
        except (OSError, ValueError) as error:
            log.error("audit_checkpoint_not_written", kind=type(error).__name__)
            self.is_told = False
            return
        for line in lines:
            self._tell(line)
        self._told_id, self.is_told = last.id, True

    def _untold(self, sql: Sql, newest_id: int) -> list[str]:
        """Return what is to be written. Raises OSError, ValueError."""
        query = select(AuditCheckpoint).order_by(AuditCheckpoint.id)
        if self._told_id is not None:
            query = query.where(AuditCheckpoint.id > self._told_id)
        elif outside := self._look_back(sql):  # after a start: go on where the file ends
            query = query.where(AuditCheckpoint.block > outside.block)
        else:
            query = query.where(AuditCheckpoint.id == newest_id)  # it vouches for all before it
        lines = [signed(each).as_line() for each in sql.scalars(query)]
        sql.rollback()
        return lines

    def _look_back(self, sql: Sql) -> Statement | None:
        """Return what was published last; say so when the trail is not the one that it tells of."""
        outside = self._last_published()
        if outside is None:
            return None
        told = outside.statement
        head = sql.scalar(select(AuditBlock.head).where(AuditBlock.number == told.block))
        newest = newest_checkpoint(sql)
        behind = newest is None or newest.block < told.block
        if behind or (head is not None and head != told.head):
            log.error("audit_trail_went_back", published_block=told.block)
        return told

    def _last_published(self) -> Signed | None:
        if self._file is None or not self._file.exists():
            return None
        *_, last = (None, *read_lines(self._file))
        return last

    def _append(self, lines: list[str]) -> None:
        """Add them to the file, on the disk before we go on. Raises OSError."""
        if self._file is None or not lines:
            return
        descriptor = os.open(self._file, os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o640)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            cut_off = end and os.pread(descriptor, 1, end - 1) != b"\n"
            text = "".join(f"{line}\n" for line in lines)
            file.write((b"\n" if cut_off else b"") + text.encode())
            os.fsync(descriptor)


def store(sql: Sql, told: Statement, signature: bytes) -> None:
    """Insert a signed statement; no commit."""
    sql.execute(insert(AuditCheckpoint).values(vars(told) | {"signature": signature}))


def newest_checkpoint(sql: Sql, kind: str | None = None) -> AuditCheckpoint | None:
    query = select(AuditCheckpoint).order_by(AuditCheckpoint.id.desc()).limit(1)
    return sql.scalar(query.where(AuditCheckpoint.kind == kind) if kind else query)


def signed(row: AuditCheckpoint) -> Signed:
    fields = {name: getattr(row, name) for name in Statement.__dataclass_fields__}
    return Signed(Statement(**fields), row.signature)


def read_lines(file: Path) -> Iterator[Signed]:
    """Yield the checkpoints of a file, or of a log that holds other lines, too.

    A line that is cut off (by a crash) is passed over. Raises OSError, and ValueError for a line
    that says that it is a checkpoint and is none.
    """
    with file.open() as lines:
        for line in lines:
            if _MARK in line and line.endswith("}\n"):
                yield _read(orjson.loads(line[line.index("{") :]))


def read_outside(files: Iterable[Path]) -> tuple[list[Signed], list[Found]]:
    """Return the checkpoints of these files, and what is wrong with the files."""
    lines: list[Signed] = []
    unread: list[Found] = []
    for file in files:
        try:
            lines += list(read_lines(file))
        except (OSError, ValueError) as fault:
            more = f"{file}: {fault if isinstance(fault, ValueError) else fault.strerror}."
            unread.append(Found(Fault.CHECKPOINTS_GONE, more=more))
    return lines, unread


def _read(told: dict[str, Any]) -> Signed:
    try:
        statement = Statement(
            kind=str(told["kind"]),
            block=int(told["block"]),
            seq=int(told["seq"]),
            head=bytes.fromhex(told["head"]),
            made_at=datetime.fromisoformat(told["made_at"]),
            key_id=str(told["key_id"]),
        )
        return Signed(statement, bytes.fromhex(told["signature"]))
    except (KeyError, TypeError, ValueError) as fault:
        raise ValueError("a line is no checkpoint") from fault
