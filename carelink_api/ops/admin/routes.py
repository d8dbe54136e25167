"""HTTP side of accounts, for administrators."""

from typing import Any

from flask.typing import ResponseReturnValue

from ... import web
from ...api import BODY_PROBLEMS, SECURITY, CareLinkBlueprint
from ...auth import throttles
from ...clinical.paging import Page
from ...extensions import db
from ...sessions.accounts import Change
from ...sessions.guard import authenticated, claims
from . import schemas, service
from .service import Order

bp = CareLinkBlueprint(
    "accounts",
    __name__,
    url_prefix="/api",
    description="Accounts, for administrators: nobody's password is taken or shown here.",
)
throttles.register_errors(bp)
Args = dict[str, Any]
_PROBLEMS = (*BODY_PROBLEMS, 401, 403, 404, 429, 503)


@bp.get("/accounts/")
@authenticated
@bp.arguments(schemas.SearchArgs, location="query")
@bp.response(200, schemas.AccountPageSchema)
@bp.problems(400, 401, 403, 503)
@bp.leads_to("look_at_account", parameters={"user_id": "/items/0/id"})
@bp.doc(security=SECURITY)
def list_accounts(query: Args) -> Page[service.Shown]:
    """Find accounts, by name."""
    return service.list_accounts(db.session(), claims(), now=web.now(), **query)


@bp.post("/accounts/")
@authenticated
@bp.arguments(schemas.CreateArgs)
@bp.response(201, schemas.AccountSchema)
@bp.problems(*BODY_PROBLEMS, 401, 403, 409, 429, 503)
@bp.doc(security=SECURITY)
def create_account(args: Args) -> service.Shown:
    """Create an account. It has no password: its owner chooses one by a one-time code."""
    return service.create(db.session(), _order(args), **args)


@bp.get("/accounts/<id:user_id>/")
@authenticated
@bp.response(200, schemas.AccountSchema)
@bp.problems(400, 401, 403, 404, 503)
@bp.doc(security=SECURITY)
def look_at_account(user_id: int) -> service.Shown:
    """Show one account."""
    return service.look_at(db.session(), claims(), user_id, now=web.now())


@bp.patch("/accounts/<id:user_id>/")
@authenticated
@bp.arguments(schemas.ChangeArgs)
@bp.response(200, schemas.ChangedAccountSchema)
@bp.alt_response(202, schema=schemas.ChangedAccountSchema)
@bp.problems(*_PROBLEMS)
@bp.doc(security=SECURITY)
def change_account(args: Args, user_id: int) -> ResponseReturnValue:
    """Change name, unit or user type; a new type or a stricter profile ends the sessions."""
    order = _order(args)
    out = "unit_id" in args and args["unit_id"] is None
    return _ended(*service.change(db.session(), order, user_id, Change(**args, no_unit=out)))


@bp.post("/accounts/<id:user_id>/disable/")
@authenticated
@bp.arguments(schemas.OrderArgs)
@bp.response(200, schemas.ChangedAccountSchema)
@bp.alt_response(202, schema=schemas.ChangedAccountSchema)
@bp.problems(*_PROBLEMS)
@bp.doc(security=SECURITY)
def disable_account(args: Args, user_id: int) -> ResponseReturnValue:
    """Keep an account from logging in, and end its sessions."""
    return _ended(*service.disable(db.session(), _order(args), user_id))


@bp.post("/accounts/<id:user_id>/enable/")
@authenticated
@bp.arguments(schemas.OrderArgs)
@bp.response(200, schemas.AccountSchema)
@bp.problems(*_PROBLEMS)
@bp.doc(security=SECURITY)
def enable_account(args: Args, user_id: int) -> service.Shown:
    """Let a disabled or blocked account log in again."""
    return service.enable(db.session(), _order(args), user_id)


@bp.post("/accounts/<id:user_id>/code/")
@authenticated
@bp.arguments(schemas.IdentityArgs)
@bp.response(201, schemas.CodeSchema)
@bp.problems(*_PROBLEMS, 409)
@bp.doc(security=SECURITY)
def make_account_code(args: Args, user_id: int) -> Args:
    """Make a one-time code with which its owner chooses a new password; a former one is void."""
    order = _order({"reason": args["identity"]} | args)
    code = service.code_for(db.session(), order, user_id)
    return {"code": code.text, "expires_at": code.expires_at}


def _order(args: Args) -> Order:
    """Take out of the body what every order has. A password that is sent along counts.

    Raises RateLimitExceeded.
    """
    if "password" in args:
        throttles.count_password(claims().user_id)
    return Order(claims(), args.pop("reason"), args.pop("password", None), web.now())


def _ended(account: service.Shown, redis_knows: bool) -> ResponseReturnValue:
    return (account, 200) if redis_knows else (account | {"pending": True}, 202)
