"""The command `doctor`: check every setting and store; exit 1 on what is unsafe."""

from collections.abc import Iterable
from dataclasses import asdict

import click
from flask.cli import with_appcontext
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..config import Settings
from ..database_clock import database_clock
from ..extensions import db, settings
from ..housekeeping.ledger import read_late
from ..redis_client import primaries
from . import doctor_stores as stores
from .doctor import check_settings
from .doctor_acl import check_acl, try_out
from .doctor_audit import check_trail, look_at_trail
from .doctor_ring import check_ring, look_at_ring
from .doctor_roster import check_roster, look_at_roster
from .doctor_stores import DatabaseFacts
from .findings import Finding, State
from .health import check_database as look_at_database
from .output import as_json_option, plain_failures, show, tell
from .redis_facts import hears_itself, nodes, patient_denylist
from .store_clocks import redis_clocks

_COLUMNS = ["check", "state", "found"]
_POSTGRES_FACTS = text(
    "SELECT current_setting('is_superuser') = 'on' AS is_superuser,"
    " pg_is_in_recovery() AS is_replica,"
    " NOT coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true)"
    " AND NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS plain_network"
)


@click.command("doctor")
@as_json_option
@with_appcontext
@plain_failures()
def doctor(as_json: bool) -> None:
    """Check every setting and store; exit 1 on what is unsafe."""
    running = settings()
    findings = [
        *check_settings(running),
        *_database(db.session(), running),
        *_redis(running),
    ]
    _print(findings, as_json)
    faults = [finding.name for finding in findings if finding.state is State.UNSAFE]
    if faults:
        raise click.ClickException(f"Unsafe: {', '.join(faults)}.")


def _database(sql: Sql, running: Settings) -> list[Finding]:
    state = look_at_database(sql)
    if not state.ok:
        return [stores.database_silent()]
    try:
        return list(_ask_database(sql, running, state.migrated))
    except SQLAlchemyError:  # it answered a moment ago
        return [stores.database_silent()]
    finally:
        sql.rollback()


def _ask_database(sql: Sql, running: Settings, migrated: bool) -> Iterable[Finding]:
    dialect = sql.get_bind().dialect.name
    if dialect == "sqlite":  # a file: no accounts, no network, no clock of its own
        yield from stores.check_database(running, DatabaseFacts(dialect, migrated))
    else:
        told = DatabaseFacts(dialect, migrated, *sql.execute(_POSTGRES_FACTS).one())
        yield from stores.check_database(running, told)
    if (told_time := database_clock(sql)) is not None:
        yield stores.check_clock(running, "the database", told_time)
    if migrated:
        yield stores.check_housekeeper(read_late(sql, running, clock.now()))
        yield from check_trail(running, look_at_trail(sql, clock.now()), clock.now())
        yield from check_roster(look_at_roster(sql, running, clock.now()))
        yield from check_ring(running, look_at_ring(sql, running, clock.now()), clock.now())


def _redis(running: Settings) -> list[Finding]:
    try:
        with patient_denylist(running) as patient:
            found = nodes(patient.client)
            clocks = redis_clocks(patient.client)
            tried = {name: try_out(to) for name, to in primaries(patient.client).items()}
            messages = stores.check_messages(running, hears_itself(patient.client))
    except click.ClickException as error:
        return [stores.redis_silent(error.message)]
    findings = [
        finding
        for node, facts in found.items()
        for finding in stores.check_redis(running, node, facts)
    ]
    accounts = [check_acl(running, node, facts) for node, facts in tried.items()]
    skews = [stores.check_clock(running, node, reading) for node, reading in clocks.items()]
    return [*findings, messages, *accounts, *skews]


def _print(findings: list[Finding], as_json: bool) -> None:
    rows = [_row(finding) for finding in findings]
    if as_json:
        safe = all(finding.state is not State.UNSAFE for finding in findings)
        tell("", {"safe": safe, "checks": rows}, as_json=True)
        return
    show(rows, _COLUMNS, as_json=False)
    for finding in findings:
        if finding.state is not State.OK:
            click.echo(f"{finding.state}  {finding.name}: {finding.why}\n      {finding.mend}")


def _row(finding: Finding) -> dict[str, str]:
    return {"check": finding.name, **{k: v for k, v in asdict(finding).items() if k != "name"}}
