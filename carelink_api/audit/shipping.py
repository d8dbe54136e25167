"""A copy of the trail on another system (ASVS 16.4.3): sealed blocks, in their order, by HTTP.

What the collector has not acknowledged is sent again, from the first such block on: a collector
that was away catches up. So a block may come twice; its number says that it is the same one.
"""

import http.client
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson
import structlog
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session as Sql

from . import chain
from .models import AuditBlock
from .reading import as_json
from .stored import BLOCKS, events_of, patients_of

log = structlog.get_logger(__name__)

BLOCKS_AT_ONCE = 5
TIMEOUT_SECONDS = 3.0
"""The housekeeper's other chores wait so long for a collector that hangs, twice a minute."""
_ACKNOWLEDGED = range(200, 300)


class NotTaken(Exception):
    """The collector did not acknowledge; the message says how it failed, without a secret."""


class Shipper:
    """Hands blocks to one collector: `POST`, JSON lines, an event each and last the block."""

    def __init__(self, url: str, token: str) -> None:
        self._url: SplitResult = urlsplit(url)
        self._headers = {"Content-Type": "application/x-ndjson"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ship(self, sql: Sql, after: int) -> Iterator[int]:
        """Send a few blocks after that number, yielding each that was acknowledged.

        Raises NotTaken, SQLAlchemyError.
        """
        newest = sql.scalar(select(func.max(AuditBlock.number))) or 0
        if after > newest:
            log.error("audit_trail_went_back", shipped_block=after)
            after = newest
            yield newest
        query = select(BLOCKS).where(BLOCKS.c.number > after).order_by(BLOCKS.c.number)
        for row in sql.execute(query.limit(BLOCKS_AT_ONCE)).all():
            lines = b"".join(line + b"\n" for line in _lines(sql, row))
            sql.rollback()  # no transaction stays open while the network is waited for
            self._send(row.number, lines)
            yield row.number

    def _send(self, number: int, body: bytes) -> None:
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port
        connection = (
            http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
            if secure
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        )
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection.request("POST", path, body, self._headers | {"X-Audit-Block": str(number)})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise NotTaken(type(error).__name__) from None
        finally:
            connection.close()
        if status not in _ACKNOWLEDGED:
            raise NotTaken(f"HTTP {status}")


def _lines(sql: Sql, row: Row[*tuple[Any, ...]]) -> Iterator[bytes]:
    ids = chain.read_ids(row.ids)
    there, about = events_of(sql, ids), patients_of(sql, ids)
    for index, event_id in enumerate(ids):
        if event := there.get(event_id):
            told = as_json({**event, "patients": sorted(about.get(event_id, []))})
            yield orjson.dumps({"seq": row.first_seq + index, "block": row.number} | told)
    told = {
        "audit_block": row.number,
        "first_seq": row.first_seq,
        "size": row.size,
        "head": row.head.hex(),
        "previous": row.previous.hex(),
        "seal": row.seal.hex(),
        "key_id": row.key_id,
    }
    yield orjson.dumps(told)
