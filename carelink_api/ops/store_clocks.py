"""How far the clocks of the stores are from this machine's."""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..config import Settings
from ..database_clock import ClockReading, database_clock
from ..redis_client import STORE_ERRORS, Client
from .doctor_stores import is_beyond_leeway
from .redis_facts import times

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ClockCheck:
    """Seconds by which each store's clock is off, at the least; None where it did not tell."""

    ok: bool = True
    database_seconds: float | None = None
    redis_seconds: float | None = None
    """Of the node that is off most."""


def redis_clocks(client: Client) -> dict[str, ClockReading]:
    """Ask every primary. Raises RedisError, RedisClusterException."""
    before = clock.now()
    told = times(client)
    after = clock.now()
    return {node: ClockReading(before, moment, after) for node, moment in told.items()}


def check_clocks(sql: Sql, client: Client, settings: Settings) -> ClockCheck:
    """Compare both stores' clocks with ours; a store that does not answer tells nothing here."""
    ours = list(_of_database(sql))
    theirs = list(_of_redis(client))
    off = any(is_beyond_leeway(settings, each) for each in (*ours, *theirs))
    return ClockCheck(not off, _worst(ours), _worst(theirs))


def _of_database(sql: Sql) -> Iterator[ClockReading]:
    try:
        reading = database_clock(sql)
    except SQLAlchemyError as error:
        log.warning("readiness_clock", store="database", kind=type(error).__name__)
        return
    finally:
        sql.rollback()
    if reading is not None:
        yield reading


def _of_redis(client: Client) -> Iterator[ClockReading]:
    try:
        yield from redis_clocks(client).values()
    except STORE_ERRORS as error:
        log.warning("readiness_clock", store="redis", kind=type(error).__name__)


def _worst(readings: list[ClockReading]) -> float | None:
    skews = [reading.skew.total_seconds() for reading in readings]
    return round(max(skews), 3) if skews else None
