"""Commands on the denylist: look at the Redis side, drop it, write it again."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..accounts import service
from ..extensions import db, settings
from ..sessions.changes import count_refused
from ..sessions.denylist import Denylist
from ..sessions.publishing import DenylistRefused, reload_denylist
from .cli_sessions import user_option
from .flushing import Held, count_held, record_flush, sids_of
from .flushing import flush as flush_entries
from .health import redis_warnings
from .output import (
    CLI_ACTOR,
    CommandGroup,
    Row,
    as_json_option,
    ask,
    progress_bar,
    show,
    tell,
    yes_option,
)
from .redis_facts import Facts, described, nodes, patient_denylist

denylist = CommandGroup("denylist", help="The Redis side of revocation.")

SAFE_BECAUSE = (
    "It is safe: every worker refuses ended sessions from SQL, where it looks twice a second, "
    "and entries of sessions that SQL does not know to have ended are kept."
)
_COMES_BACK = (
    "The housekeeper writes back within five minutes what is still needed; "
    "`denylist reload` does it now."
)
_COLUMNS = ["node", "server", "role", "uptime_days", "memory", "limit", "policy", "append_only"]
_MIB = 1024 * 1024


@denylist.command("status")
@as_json_option
def status(as_json: bool) -> None:
    """Show what Redis holds and should hold, and how its server is set up."""
    should_hold = _should_hold(db.session(), clock.now())
    with patient_denylist(settings()) as patient:
        held = count_held(patient)
        servers = [_server(name, facts) for name, facts in nodes(patient.client).items()]
        warnings = redis_warnings(patient.client, settings().redis_attested)
    if as_json:
        facts = {
            "entries": _held_facts(held),
            "should_hold_sessions": should_hold,
            "servers": servers,
            "warnings": warnings,
        }
        tell("", facts, as_json=True)
        return
    click.echo(
        f"Entries: {held.sessions} sessions, {held.tokens} tokens. "
        f"By SQL it should hold {should_hold} sessions.{_gap(held, should_hold)}"
    )
    show(servers, _COLUMNS, as_json=False)
    for warning in warnings:
        click.echo(f"Warning: {warning}")


@denylist.command("flush")
@user_option
@yes_option
@as_json_option
def flush(email: str | None, yes: bool, as_json: bool) -> None:
    """Drop entries from Redis. Safe: the workers refuse those sessions from SQL.

    Not done while SQL does not answer. No other key of the server is touched.
    """
    sql = db.session()
    user_id = None if email is None else service.get_user(sql, email).id
    of = None if user_id is None else sids_of(sql, user_id)
    _should_hold(sql, clock.now())  # SQL answers and has its tables, or nothing is asked
    with patient_denylist(settings()) as patient:
        before = count_held(patient, of)
        if before.total:
            if not yes:
                click.echo(SAFE_BECAUSE, err=True)
            ask(f"Drop {_entries(before)}?", yes=yes)
            record_flush(sql, before, user_id=user_id, now=clock.now(), actor=CLI_ACTOR)
        removed, kept = _flush(sql, patient, of, before.total)
        after = count_held(patient, of)
    facts = {
        "before": _held_facts(before),
        "removed": removed,
        "kept": kept,
        "after": _held_facts(after),
        "safe_because": SAFE_BECAUSE,
    }
    tell(_flushed(before, after, kept, why=SAFE_BECAUSE if yes else ""), facts, as_json)


@denylist.command("reload")
@as_json_option
def reload(as_json: bool) -> None:
    """Write what Redis should hold by SQL and does not; changes no entry."""
    sql, now = db.session(), clock.now()
    should_hold = _should_hold(sql, now)
    with patient_denylist(settings()) as patient:
        before = count_held(patient)
        _reload(sql, patient, now, should_hold)
        after = count_held(patient)
    facts = {
        "should_hold_sessions": should_hold,
        "before": _held_facts(before),
        "after": _held_facts(after),
    }
    words = f"Redis holds {after.sessions} sessions now, {before.sessions} before."
    tell(words, facts, as_json)


def _flush(
    sql: Sql, patient: Denylist, of: frozenset[str] | None, total: int
) -> tuple[int, int]:  # fmt: skip
    removed = kept = 0
    with progress_bar() as progress:
        bar = progress.add_task("Dropping entries", total=total)
        for step in flush_entries(sql, patient, now=clock.now(), of=of):
            removed, kept = removed + step.removed, kept + step.kept
            progress.advance(bar, step.removed + step.kept)
    return removed, kept


def _reload(sql: Sql, patient: Denylist, now: datetime, total: int) -> None:
    """Raises ClickException where Redis does not take it all."""
    with progress_bar() as progress:
        bar = progress.add_task("Writing entries", total=total)
        try:
            for written in reload_denylist(sql.connection(), patient, now):
                progress.advance(bar, written)
        except DenylistRefused:
            raise click.ClickException(
                "Redis did not take every entry (is it full, read-only or gone?); the workers "
                "go on refusing these sessions from SQL."
            ) from None
        finally:
            sql.rollback()


def _should_hold(sql: Sql, now: datetime) -> int:
    count = count_refused(sql, now)
    sql.rollback()  # nothing stays open while Redis is read, or a person thinks
    return count


def _server(name: str, facts: Facts) -> Row:
    """Return one node's row."""
    row = described(name, facts)
    uptime, limit = row["uptime_seconds"], row["maxmemory_bytes"]
    return row | {
        "uptime_days": None if uptime is None else round(uptime / 86400, 1),
        "memory": _mib(row["used_memory_bytes"]),
        "limit": "none" if limit == 0 else _mib(limit),
    }


def _mib(size: Any) -> str | None:
    return None if size is None else f"{size / _MIB:.1f} MiB"


def _held_facts(held: Held) -> dict[str, int]:
    return {"sessions": held.sessions, "tokens": held.tokens}


def _gap(held: Held, should_hold: int) -> str:
    missing = should_hold - held.sessions
    if missing <= 0:
        return ""
    return f" {missing} are missing; the workers refuse them from SQL. {_COMES_BACK}"


def _entries(held: Held) -> str:
    return f"{held.total} entries ({held.sessions} sessions, {held.tokens} tokens)"


def _flushed(before: Held, after: Held, kept: int, *, why: str) -> str:
    if not before.total:
        return "Redis holds no such entry; nothing was dropped."
    words = [f"Before: {_entries(before)}. After: {_entries(after)}.", why, _COMES_BACK]
    if kept:
        words.append(f"Kept, as SQL does not hold their sessions as ended: {kept}.")
    return " ".join(filter(None, words))
