"""Commands on users: create, list, change, disable, enable, set a password, make a code."""

import getpass
import sys
import warnings
from dataclasses import dataclass
from datetime import datetime

import click

from .. import clock
from ..accounts import service
from ..accounts.codes import FIRST_LIFETIME, LIFETIME
from ..accounts.login_delay import NEVER
from ..accounts.models import User, UserType
from ..accounts.one_time import IssuedCode, make_code
from ..accounts.passwords import NO_PASSWORD
from ..extensions import db
from ..sessions import accounts as sessions_of
from ..sessions import passwords as passwords_of
from .erasing import MayNotErase, erase_user
from .output import (
    CLI_ACTOR,
    PENDING,
    CommandGroup,
    Row,
    as_json_option,
    ask,
    checked_reason,
    show,
    tell,
    yes_option,
)

users = CommandGroup("users", help="Accounts: who may log in.")

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)
permanent_option = click.option(
    "--permanent", is_flag=True, help="Whoever knows it may keep it: no change at the next login."
)
_COLUMNS = ["email", "name", "user_type", "unit", "state", "created_at"]
_MAX_LINE_BYTES = 64 * 1024


@users.command("create")
@click.argument("email")
@click.option("--user-type", required=True, type=click.Choice([str(t) for t in UserType]))
@click.option("--name", required=True, help="The person's name.")
@click.option("--unit", help="Name of the unit; see `units list`.")
@password_option
@permanent_option
@click.option("--code", "by_code", is_flag=True, help="No password: print a code to choose one.")
@as_json_option
def create(
    email: str,
    user_type: str,
    name: str,
    unit: str | None,
    password_stdin: bool,
    permanent: bool,
    by_code: bool,
    as_json: bool,
) -> None:
    """Create an account; asks for the password, which its owner changes at the first login."""
    if by_code and (password_stdin or permanent):
        raise click.UsageError("With --code there is no password.")
    now = clock.now()
    user = service.create_user(
        db.session(),
        email=email,
        name=name,
        user_type=user_type,
        unit_name=unit,
        password=None if by_code else _new_password(password_stdin),
        temporary=not by_code and not permanent,
        now=now,
        actor=CLI_ACTOR,
    )
    words, facts = f"Created the {user.user_type} {user.email}.", _row(user, now)
    if by_code:
        code = make_code(
            db.session(), facts["id"], now=now, actor=CLI_ACTOR, why="new account",
            lifetime=FIRST_LIFETIME,
        )  # fmt: skip
        words, facts = f"{words} {_shown(code)}", {**facts, **_code_facts(code)}
    tell(words, facts, as_json)


@users.command("list")
@as_json_option
def list_all(as_json: bool) -> None:
    """Show every account."""
    now = clock.now()
    show([_row(user, now) for user in service.list_users(db.session())], _COLUMNS, as_json)


@users.command("disable")
@click.argument("email")
@yes_option
@as_json_option
def disable(email: str, yes: bool, as_json: bool) -> None:
    """Keep an account from logging in, and end its sessions."""
    account = _existing(email)
    ask(f"Disable {account.email} and end every session of it?", yes=yes)
    ended = sessions_of.disable_user(db.session(), account.id, now=clock.now(), actor=CLI_ACTOR)
    _tell_ended("Disabled", account, ended, as_json)


@users.command("enable")
@click.argument("email")
@as_json_option
def enable(email: str, as_json: bool) -> None:
    """Let a disabled or blocked account log in again."""
    account = _existing(email)
    sessions_of.enable_user(db.session(), account.id, now=clock.now(), actor=CLI_ACTOR)
    tell(f"Enabled {account.email}.", {"email": account.email}, as_json)


@users.command("change")
@click.argument("email")
@click.option("--user-type", type=click.Choice([str(t) for t in UserType]), help="The new type.")
@click.option("--unit", help="The new unit.")
@click.option("--no-unit", is_flag=True, help="Take the account out of its unit.")
@click.option("--name", help="The person's new name.")
@yes_option
@as_json_option
def change_one(
    email: str,
    user_type: str | None,
    unit: str | None,
    no_unit: bool,
    name: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Change type, unit or name; a new type or a stricter session profile ends the sessions."""
    if unit is not None and no_unit:
        raise click.UsageError("Choose one of --unit and --no-unit.")
    sql = db.session()
    account = _existing(email)
    unit_id = None if unit is None else service.get_unit(sql, unit).id
    sql.rollback()
    ask(f"Change {account.email}? Its sessions may end.", yes=yes)
    named = None if name is None else service.checked_person_name(name)
    change = sessions_of.Change(named, user_type, unit_id, no_unit)
    ended = sessions_of.change_user(sql, account.id, change, now=clock.now(), actor=CLI_ACTOR)
    _tell_ended("Changed", account, ended, as_json)


@users.command("set-password")
@click.argument("email")
@password_option
@permanent_option
@as_json_option
def set_password(email: str, password_stdin: bool, permanent: bool, as_json: bool) -> None:
    """Set a password for its owner to change, end the sessions, and lift any block.

    Better make a code (`users code`): then nobody else ever knows the password.
    """
    account = _existing(email)
    password = _new_password(password_stdin)
    password_hash = service.hash_new_password(password, context=account.context)
    ended = passwords_of.set_password(
        db.session(), account.id, password_hash,
        now=clock.now(), actor=CLI_ACTOR, temporary=not permanent,
    )  # fmt: skip
    _tell_ended("Set the password of", account, ended, as_json)


@users.command("code")
@click.argument("email")
@click.option(
    "--identity",
    required=True,
    help='How you made sure who asks: "badge seen", "called back on the ward\'s number".',
)
@as_json_option
def code(email: str, identity: str, as_json: bool) -> None:
    """Print a one-time code for who has forgotten the password; it is shown only now."""
    why = checked_reason(identity, "proof of identity")
    account = _existing(email)
    made = make_code(
        db.session(), account.id, now=clock.now(), actor=CLI_ACTOR, why=why, lifetime=LIFETIME
    )
    facts = {"email": account.email, **_code_facts(made)}
    tell(f"For {account.email}. {_shown(made)}", facts, as_json)


@users.command("erase")
@click.argument("email")
@yes_option
@as_json_option
def erase(email: str, yes: bool, as_json: bool) -> None:
    """Erase a person from an account, its sessions and the trail; clinical records stay."""
    account = _existing(email)
    ask(f"Erase {account.email}? The account cannot be used again.", yes=yes)
    try:
        done = erase_user(db.session(), account.id, now=clock.now(), actor=CLI_ACTOR)
    except MayNotErase:
        raise click.ClickException(
            "The account that serves may not erase what the audit trail holds. Run this command as "
            "the one that owns the tables: docs/operations.md, The audit trail."
        ) from None
    words = f"Erased {account.email}; it is now {done.email}. Audit events erased: {done.events}."
    facts = {"email": done.email, "events": done.events, "pending": not done.redis_knows}
    tell(words + ("" if done.redis_knows else PENDING), facts, as_json)


@dataclass(frozen=True)
class _Account:
    """What a command needs to know of an account before it changes it."""

    id: int
    email: str
    context: list[str]


def _existing(email: str) -> _Account:
    """Return the account, before anything is asked. Raises UnknownUser."""
    sql = db.session()
    user = service.get_user(sql, email)
    account = _Account(user.id, user.email, service.password_context(user))
    sql.rollback()  # no transaction stays open while a person thinks
    return account


def _tell_ended(done: str, account: _Account, ended: tuple[int, bool], as_json: bool) -> None:
    count, redis_knows = ended
    words = f"{done} {account.email}; sessions ended: {count}."
    facts = {"email": account.email, "sessions_ended": count, "pending": not redis_knows}
    tell(words + ("" if redis_knows else PENDING), facts, as_json)


def _shown(code: IssuedCode) -> str:
    until = f"{code.expires_at:%Y-%m-%d %H:%M}Z"
    return f"One-time code, good once and until {until}: {code.text}"


def _code_facts(code: IssuedCode) -> Row:
    return {"code": code.text, "expires_at": code.expires_at}


def _new_password(from_stdin: bool) -> str:
    return _password_line() if from_stdin else _asked_password()


def _password_line() -> str:
    """Read one line; only its newline is no part of the password."""
    line = sys.stdin.buffer.readline(_MAX_LINE_BYTES)
    try:
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise click.ClickException("The password on standard input is not UTF-8.") from None
    if not password:
        raise click.ClickException("Standard input holds no password.")
    return password


def _asked_password() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
        try:
            return str(
                click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
            )
        except getpass.GetPassWarning:
            raise click.ClickException(
                "There is no terminal to ask for the password on; use --password-stdin."
            ) from None


def _row(user: User, now: datetime) -> Row:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "user_type": user.user_type,
        "unit": user.unit.name if user.unit else None,
        "state": _state(user, now),
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
        "password_state": _password_state(user),
        "failed_logins": user.failed_logins,
        "blocked_until": None if user.blocked_until == NEVER else user.blocked_until,
    }


def _password_state(user: User) -> str:
    if user.password_hash == NO_PASSWORD:
        return "none"
    return "temporary" if user.must_change_password else "own"


def _state(user: User, now: datetime) -> str:
    if user.disabled_at:
        return "disabled"
    return "blocked" if service.is_blocked(user, now) else "enabled"
