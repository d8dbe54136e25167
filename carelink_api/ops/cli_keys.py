"""Commands on the keys that sign and verify tokens."""

import secrets
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from sqlalchemy.orm import Session as Sql

from .. import clock
from ..auth import key_store, pem
from ..auth.key_models import SigningKey
from ..auth.key_rules import EVERY_WORKER_KNOWS, KeyState
from ..auth.key_settings import key_ring
from ..auth.key_store import Actor, Farewell, shown
from ..auth.keys import Key, pair_key, secret_key
from ..config import Algorithm
from ..extensions import db, settings
from .output import CLI_ACTOR, CommandGroup, Row, as_json_option, ask, show, tell, yes_option

keys = CommandGroup("keys", help="The keys that sign and verify tokens.")

now_option = click.option("--now", "at_once", is_flag=True, help="Do not wait: an emergency.")
kid_argument = click.argument("kid")
_A_KID_MAY_BEGIN_WITH_A_DASH = {"ignore_unknown_options": True}
_COLUMNS = ["kid", "algorithm", "state", "source", "created_at", "promoted_at", "stopped_at"]
_DATES = ("created_at", "promoted_at", "stopped_at", "retired_at")


@keys.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are gone.")
@as_json_option
def list_keys(everything: bool, as_json: bool) -> None:
    """Show which key signs, and which verify."""
    sql, now = db.session(), clock.now()
    rows = key_store.all_keys(sql)
    if not rows:
        show(list(_of_settings()), _COLUMNS, as_json)
        if not as_json:
            click.echo("They come from the settings; `keys add` moves them into the database.")
        return
    there = [row for row in rows if everything or row.state is not KeyState.GONE]
    columns = [*_COLUMNS, "retired_at"] if everything else [*_COLUMNS, "next"]
    show(list(_facts(sql, there, now)), columns, as_json)


@keys.command("add")
@click.option(
    "--algorithm", type=click.Choice(get_args(Algorithm)), required=True, help="What it signs with."
)
@click.option(
    "--pem",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Import this key (a path that the command can read) instead of making one.",
)
@as_json_option
def add(algorithm: Algorithm, file: Path | None, as_json: bool) -> None:
    """List a key: it verifies, and signs once it is promoted."""
    key = _made(algorithm) if file is None else _imported(algorithm, file)
    source = key_store.MADE if file is None else key_store.IMPORTED
    sql, now = db.session(), clock.now()
    adopted = key_store.add(sql, settings(), key, source, Actor(CLI_ACTOR, now))
    row = key_store.find(sql, key.kid)
    signs_from = key_store.signs_from(row)
    facts = {"kid": key.kid, "algorithm": algorithm, "state": str(row.state),
             "signs_from": signs_from, "taken_over": list(adopted)}  # fmt: skip
    taken = (
        f" {', '.join(adopted)} came over from the settings, whose keys count no more."
        if adopted
        else ""
    )
    tell(f"Listed {key.kid}; it may sign from {shown(signs_from)} on.{taken}",
         facts, as_json)  # fmt: skip


@keys.command("promote", context_settings=_A_KID_MAY_BEGIN_WITH_A_DASH)
@kid_argument
@now_option
@as_json_option
def promote(kid: str, at_once: bool, as_json: bool) -> None:
    """Let a listed key sign, once everybody knows it."""
    sql = db.session()
    if at_once:
        _wait_for_workers(sql, kid)
    by = Actor(CLI_ACTOR, clock.now())
    former = key_store.promote(sql, settings(), kid, by, at_once=at_once)
    words = f"{kid} signs in every worker within a second; {former} verifies what it has signed."
    tell(words, {"kid": kid, "former": former}, as_json)


@keys.command("retire", context_settings=_A_KID_MAY_BEGIN_WITH_A_DASH)
@kid_argument
@now_option
@yes_option
@as_json_option
def retire(kid: str, at_once: bool, yes: bool, as_json: bool) -> None:
    """Let a key go: no token of it is good any more."""
    sql, now = db.session(), clock.now()
    parting = key_store.farewell(sql, settings(), key_store.find(sql, kid), now)
    sql.rollback()  # no transaction stays open while a person thinks
    if at_once and not parting.is_safe(now):
        ask(f"Refuse every token of {kid} at once? {_logged_out(parting)}.", yes=yes)
    by = Actor(CLI_ACTOR, clock.now())
    parting = key_store.retire(sql, settings(), kid, by, at_once=at_once)
    words = f"{kid} is gone: within a second every worker refuses what it has signed."
    if parting.holders:
        words += f" {_logged_out(parting)}."
    tell(words, {"kid": kid, "sessions": parting.holders}, as_json)


@keys.command("rewrap")
@click.option(
    "--old-secret-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with a former CARELINK_JWT_SECRET_KEY; default: those of JWT_VERIFYING_SECRETS.",
)
@as_json_option
def rewrap(files: tuple[Path, ...], as_json: bool) -> None:
    """Seal every key by the present CARELINK_JWT_SECRET_KEY."""
    by = Actor(CLI_ACTOR, clock.now())
    count = key_store.rewrap(db.session(), settings(), [_secret_in(file) for file in files], by)
    tell(f"Sealed {count} keys by the present secret.", {"keys": count}, as_json)


def _made(algorithm: Algorithm) -> Key:
    if algorithm == "HS256":
        return secret_key(secrets.token_urlsafe(48))
    if algorithm == "EdDSA":
        return pair_key(Ed25519PrivateKey.generate())
    return pair_key(generate_private_key(public_exponent=65537, key_size=pem.LASTING_RSA_BITS))


def _imported(algorithm: Algorithm, file: Path) -> Key:
    if algorithm == "HS256":
        raise click.UsageError("A PEM file holds a pair; a secret is made here: leave --pem out.")
    try:
        key = pair_key(pem.load(str(file)))
    except ValueError as fault:
        raise click.ClickException(f"{file} {fault}.") from None
    if key.algorithm != algorithm:
        raise click.ClickException(f"{file} is a key for {key.algorithm}, not for {algorithm}.")
    if settings().is_production and pem.is_exposed(str(file)):
        raise click.ClickException(
            f"{file} is a private key that everybody on this machine can open: others may have "
            "it. Make another one."
        )
    return key


def _secret_in(file: Path) -> str:
    try:
        secret = file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(f"{file} cannot be read.") from None
    if not secret:
        raise click.ClickException(f"{file} is empty.")
    return secret


def _wait_for_workers(sql: Sql, kid: str) -> None:
    """Wait out the second within which every worker learns of a key that was just added."""
    known_at = key_store.find(sql, kid).created_at + EVERY_WORKER_KNOWS
    sql.rollback()
    left = (known_at - clock.now()).total_seconds()
    time.sleep(min(max(left, 0), EVERY_WORKER_KNOWS.total_seconds()))


def _facts(sql: Sql, rows: Iterable[SigningKey], now: datetime) -> Iterator[Row]:
    for row in rows:
        facts: dict[str, object] = {"kid": row.kid, "algorithm": row.algorithm}
        facts |= {"state": str(row.state), "source": row.source}
        facts |= {name: getattr(row, name) for name in _DATES}
        yield facts | {"next": _next(sql, row, now)}


def _next(sql: Sql, row: SigningKey, now: datetime) -> str | None:
    """Say what can be done with a key, and from when."""
    if row.state is KeyState.LISTED:
        return _from("may sign", key_store.signs_from(row), now)
    if row.state is not KeyState.VERIFYING:
        return None
    parting = key_store.farewell(sql, settings(), row, now)
    if parting.free_at is not None and now < parting.free_at:
        return _from("may go", parting.free_at, now)
    return f"in {parting.holders} sessions" if parting.holders else "may go now"


def _from(what: str, moment: datetime, now: datetime) -> str:
    return f"{what} now" if now >= moment else f"{what} from {shown(moment)}"


def _of_settings() -> Iterator[Row]:
    ring = key_ring(settings())
    for key in ring:
        state = KeyState.SIGNING if key is ring.signing else KeyState.VERIFYING
        facts: dict[str, object] = {"kid": key.kid, "algorithm": key.algorithm}
        yield (
            facts
            | {"state": str(state), "source": key_store.SETTINGS, "next": None}
            | dict.fromkeys(_DATES)
        )


def _logged_out(parting: Farewell) -> str:
    sessions = "1 session" if parting.holders == 1 else f"{parting.holders} sessions"
    return f"That logs out up to {sessions}, whose refresh tokens it may have signed"
