"""`/metrics`: what the workers have counted, and what only the stores know, asked at the scrape."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from flask import Blueprint, Response, current_app, request
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from .. import clock, metrics
from ..audit.erasing import erasures_since
from ..audit.guards import missing_guards
from ..audit.nightly import found_of_late, last_passes
from ..audit.unsealed import oldest_unsealed
from ..clinical.break_glass.of_unit import count_open, count_unreviewed_flagged
from ..errors import NotFound
from ..extensions import db, settings
from ..housekeeping.ledger import intervals_of, oldest_unpublished
from ..housekeeping.models import ChoreRow
from ..redis_client import STORE_ERRORS
from ..sessions.denylist import Denylist
from ..sessions.runtime import runtime
from .api.emergencies import due
from .live_counts import EXTENSION, LiveCount, LiveCounts
from .metrics_keys import key_families
from .redis_facts import Facts, nodes

log = structlog.get_logger(__name__)

bp = Blueprint("metrics", __name__)
Families = Iterator[GaugeMetricFamily]
_REDIS = (
    ("memory_used_bytes", "used_memory", "Memory that a Redis node uses."),
    ("memory_limit_bytes", "maxmemory", "Memory that a Redis node may use; 0 for all there is."),
    ("evicted_keys", "evicted_keys", "Keys that a Redis node has thrown out: must stay 0."),
    ("connected_clients", "connected_clients", "Clients of a Redis node."),
)


@bp.get("/metrics")
def scrape() -> Response:
    """Answer Prometheus, for all workers. Raises NotFound for whoever asks through the proxy."""
    if settings().is_production and "HTTP_X_FORWARDED_FOR" in request.environ:
        raise NotFound()
    registry = CollectorRegistry()
    if metrics.FOLDER:
        _forget_dead_workers(Path(metrics.FOLDER))
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Stores(db.session(), current_app.extensions[EXTENSION], runtime().denylist))
    counted = b"" if metrics.FOLDER else generate_latest(REGISTRY)
    return Response(counted + generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class _Stores(Collector):
    """What a scrape asks of the stores; one that is down costs its own numbers, not the others."""

    sql: Sql
    live: LiveCounts
    denylist: Denylist

    def collect(self) -> Families:
        yield from _ask("database", self._sessions, SQLAlchemyError)
        self.sql.rollback()
        yield from _ask("redis", self._redis, *STORE_ERRORS)

    def _sessions(self) -> Families:
        yield active_sessions(self.live.read(self.sql, clock.now()))
        yield from key_families(self.sql)
        yield from housekeeping(self.sql)
        yield from audit_trail(self.sql)
        yield emergencies(self.sql)
        yield GaugeMetricFamily(
            "carelink_break_glass_flagged_unreviewed",
            "Emergency accesses to one's own record, a colleague's or a VIP's without a review.",
            count_unreviewed_flagged(self.sql),
        )
        yield GaugeMetricFamily(
            "carelink_break_glass_reviews_overdue",
            "Emergency accesses whose review should have been made by now.",
            due(self.sql, clock.now())["overdue"],
        )

    def _redis(self) -> Families:
        found = nodes(self.denylist.client)
        for name, fact, about in _REDIS:
            yield _of_nodes(f"carelink_redis_{name}", fact, about, found)


def active_sessions(counts: Sequence[LiveCount]) -> GaugeMetricFamily:
    """Show the sessions that go on, by user type and home unit."""
    family = GaugeMetricFamily(
        "carelink_active_sessions", "Sessions that go on.", labels=("user_type", "unit")
    )
    for count in counts:
        family.add_metric((count.user_type, count.unit or ""), count.sessions)
    return family


def emergencies(sql: Sql) -> GaugeMetricFamily:
    """Show the emergency accesses that are open, by where the patient was."""
    family = GaugeMetricFamily(
        "carelink_break_glass_open",
        "Emergency accesses that are open now; flagged: to one's own, a colleague's or a VIP's.",
        labels=("unit", "in_handoff", "flagged"),
    )
    for each in count_open(sql, clock.now()):
        said = [str(bool(flag)).lower() for flag in (each.in_handoff, each.flagged)]
        family.add_metric((each.unit or "", *said), each.grants)
    return family


def housekeeping(sql: Sql) -> Families:
    """Tell how the housekeepers' chores are: by their table, since a dead one could not tell."""
    succeeded = GaugeMetricFamily(
        "carelink_chore_succeeded_timestamp_seconds",
        "When a housekeeper last did this chore to the end.",
        labels=("chore",),
    )
    took = GaugeMetricFamily(
        "carelink_chore_duration_seconds", "How long its last piece took.", labels=("chore",)
    )
    done_here = list(intervals_of(settings()))
    for row in sql.scalars(select(ChoreRow).where(ChoreRow.name.in_(done_here))):
        succeeded.add_metric((row.name,), row.succeeded_at.timestamp() if row.succeeded_at else 0)
        if row.seconds is not None:
            took.add_metric((row.name,), row.seconds)
    yield succeeded
    yield took
    yield GaugeMetricFamily(
        "carelink_unpublished_age_seconds",
        "How long the session that ended first has waited for the housekeeper to see it in Redis.",
        _age(oldest_unpublished(sql, clock.now())),
    )


def audit_trail(sql: Sql) -> Families:
    """Tell what of the trail's safety only the database knows."""
    yield GaugeMetricFamily(
        "carelink_audit_missing_guards",
        "Triggers that guard the audit trail and are not there, or switched off.",
        len(missing_guards(sql)),
    )
    yield GaugeMetricFamily(
        "carelink_audit_erasures",
        "Erasures of persons from the audit trail in the last 24 hours.",
        len(erasures_since(sql, clock.now() - timedelta(days=1))),
    )
    yield GaugeMetricFamily(
        "carelink_audit_unsealed_age_seconds",
        "How long the oldest audit event has waited for its seal.",
        _age(oldest_unsealed(sql)),
    )
    yield from _verifications(sql)


def _verifications(sql: Sql) -> Families:
    """Tell when the trail was last verified; by the table, which its owner could forge."""
    at = GaugeMetricFamily(
        "carelink_audit_verified_timestamp_seconds",
        "When the audit trail was last verified: its new events (`new`), or every one (`whole`).",
        labels=("scope",),
    )
    events = GaugeMetricFamily(
        "carelink_audit_verified_events", "How many events were looked into.", labels=("scope",)
    )
    passes = last_passes(sql)
    for scope, whole in (("new", False), ("whole", True)):
        last = passes.get(whole)
        at.add_metric((scope,), last["finished_at"].timestamp() if last else 0)
        events.add_metric((scope,), last["events"] if last else 0)
    yield at
    yield events
    yield GaugeMetricFamily(
        "carelink_audit_verification_faults",
        "What the last whole verification of the audit trail has found, or one after it.",
        found_of_late(sql),
    )


def _age(since: datetime | None) -> float:
    return max(0.0, (clock.now() - since).total_seconds()) if since else 0.0


def _ask(store: str, ask: Callable[[], Families], *faults: type[Exception]) -> Families:
    """Yield what a store tells, and whether it told it."""
    up = GaugeMetricFamily(f"carelink_{store}_up", f"Whether the {store} answers this worker.")
    try:
        families = list(ask())
    except faults as fault:
        log.warning("scrape_failed", store=store, kind=type(fault).__name__)
        families = []
        up.add_metric((), 0)
    else:
        up.add_metric((), 1)
    yield up
    yield from families


def _of_nodes(name: str, fact: str, about: str, found: dict[str, Facts]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=("node",))
    for node, facts in found.items():
        if (value := facts.get(fact)) is not None:
            family.add_metric((node,), float(value))
    return family


def _forget_dead_workers(folder: Path) -> None:
    """Drop the gauges of workers that are gone: their last pulse is nobody's."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            continue  # it lives
