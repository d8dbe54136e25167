"""The auth blueprint: read, call one use case, shape, return."""

from typing import Any

from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from .. import web
from ..api import (
    BODY_PROBLEMS,
    COOKIE_SECURITY,
    OPTIONAL_SECURITY,
    SECURITY,
    CareLinkBlueprint,
    PageArgs,
)
from ..errors import NotATokenOfOurs, NotAuthenticated, TokenNotValid
from ..extensions import db, settings
from ..sessions import own
from ..sessions.claims import Claims
from ..sessions.guard import authenticated, bearer_token, claims, polling
from ..sessions.logging_in import Attempt, log_in
from ..sessions.passwords import Reset, reset_password
from ..sessions.refreshing import peek
from ..sessions.refreshing import refresh as refresh_session
from ..sessions.runtime import runtime
from ..sessions.starting import Device
from . import answers, csrf, schemas, throttles, transport
from .service import change_password
from .tokens import tokens

bp = CareLinkBlueprint(
    "auth", __name__, url_prefix="/api", description="Log in, refresh silently, log out."
)
throttles.register_errors(bp)
CSRF_HEADER = [
    {
        "in": "header",
        "name": csrf.HEADER,
        "schema": {"type": "string"},
        "description": "With the cookie: the session's `csrf_token`, which also stands in the "
        "cookie `__Host-carelink_csrf`.",
    }
]
CLEAR_SITE_DATA: transport.Headers = {"Clear-Site-Data": '"cache"'}
"""Takes away what the browser would show at "back". `"cookies"` would log the user out of every
other application of the domain, `"storage"` empty those of this origin."""
# No token endpoint, so without the limiter's hooks: they would cost `me` a sixth of its time.
own_bp = CareLinkBlueprint("sessions", __name__, url_prefix="/api", description="Own sessions.")


class SidConverter(BaseConverter):
    """A path part that can be a `sid`; anything else is 404 before a view runs."""

    regex = r"[A-Za-z0-9_-]{22}"
    pattern = f"^{regex}$"  # for the document: JSON Schema anchors nothing by itself


@bp.arguments(schemas.LoginArgs)
@bp.alt_response(200, schema=schemas.TokenPairShape)
@bp.problems(*BODY_PROBLEMS, 401, 403, 429, 503)
@bp.leads_to("refresh", body={"refresh": "/refresh"})
@bp.leads_to("logout", body={"refresh": "/refresh"})
@bp.leads_to("verify", body={"token": "/access"})
@bp.leads_to("end_session", parameters={"sid": "/session/id"})
def login(args: dict[str, Any]) -> ResponseReturnValue:
    """Log in with e-mail and password.

    With transport `cookie` the refresh token is set as a cookie, for pages of this origin or of
    one listed by name. It replaces the cookie that is there, and ends another user's session in it.

    Unknown account, wrong password, other user type and disabled account are answered alike. Whom
    shifts bind gets 403 `outside_shift` outside them, and when the next one starts. Who has a
    password that somebody else knows gets 403 `password_change_required`, and logs in with
    `new_password` beside it.
    """
    throttles.count_login(args["email"])
    by_cookie = args["transport"] == "cookie"
    replaced = transport.to_be_replaced() if by_cookie else None
    device = Device(args.get("device_name"), web.address(), by_cookie)
    attempt = Attempt(
        args["email"], args["password"], args.get("user_type"), device, args.get("new_password")
    )
    grant = log_in(db.session(), attempt, now=web.now())
    if replaced is not None and replaced.user_id != grant.user.id:
        own.end_replaced(db.session(), replaced.sid, by=grant.user.id, now=web.now())
    return transport.answer(grant, by_cookie=by_cookie)


@bp.arguments(schemas.RefreshArgs, required=False)
@bp.alt_response(200, schema=schemas.RefreshedShape)
@bp.problems(*BODY_PROBLEMS, 401, 403, 429, 503)
@bp.doc(security=COOKIE_SECURITY, parameters=CSRF_HEADER)
@bp.leads_to("refresh", body={"refresh": "/refresh"})
@bp.leads_to("logout", body={"refresh": "/refresh"})
@bp.leads_to("verify", body={"token": "/refresh"})
def refresh(args: dict[str, Any]) -> ResponseReturnValue:
    """Trade a refresh token for the next pair.

    The same token again within the grace period, or after a lost answer, gets the same successor
    with `reissued: true`. Later it is reuse, and ends the session. A token that came in the cookie
    is answered by the cookie.
    """
    throttles.count_token_request()
    token = transport.presented(args.get("refresh"))
    if token is None:
        raise NotAuthenticated()
    with transport.clearing(token):
        presented = transport.verified(token)
        tokens().refuse_expired(presented)
        throttles.count_session(presented.sid)
        grant = refresh_session(db.session(), presented, now=web.now())
    return transport.answer(grant, by_cookie=token.by_cookie, reissued=grant.reissued)


@bp.arguments(schemas.LogoutArgs, required=False)
@bp.alt_response(200, schema=schemas.MessageShape)
@bp.alt_response(202, schema=schemas.MessageShape)
@bp.problems(*BODY_PROBLEMS, 401, 403, 429, 503)
@bp.doc(security=OPTIONAL_SECURITY, parameters=CSRF_HEADER)
def logout(args: dict[str, Any]) -> ResponseReturnValue:
    """Log out: end the session of the refresh token, or else of the access token in the header.

    Works with expired tokens, and again for a session that has ended.
    """
    throttles.count_token_request()
    token = transport.presented(args.get("refresh"))
    with transport.clearing(token):
        over = _to_log_out(token)
    redis_knows = own.log_out(db.session(), over, now=web.now())
    answer = answers.ended({"message": "Logout successful"}, redis_knows=redis_knows)
    forgotten = transport.forgotten() if token is not None and token.by_cookie else {}
    return *answer, CLEAR_SITE_DATA | forgotten


@bp.arguments(schemas.VerifyArgs)
@bp.alt_response(200, schema=schemas.VerifiedShape, description="The token is good.")
@bp.problems(*BODY_PROBLEMS, 401, 429, 503)
def verify(args: dict[str, Any]) -> ResponseReturnValue:
    """Ask whether a token would be accepted now. Changes nothing."""
    throttles.count_token_request()
    token, now = args["token"], web.now()
    try:
        presented = tokens().verify_refresh(token)
    except TokenNotValid as refused:
        if refused.members:  # a refresh token of ours, expired
            raise
    else:
        peek(db.session(), presented, now=now)
        return {}
    found = tokens().verify_access(token)
    if reason := runtime().guard.refusal(found, now):
        raise TokenNotValid(reason)
    return {}


for _path, _alias, _view in (
    ("/auth/login/", "/token/", login),
    ("/auth/refresh/", "/token/refresh/", refresh),
    ("/auth/logout/", "/token/blacklist/", logout),
    ("/auth/verify/", "/token/verify/", verify),
):
    _name: str = _view.__name__
    bp.add_url_rule(_path, _name, _view, methods=["POST"])
    bp.doc(deprecated=True)(_view)  # of what is added from here on: the rule above keeps its own
    bp.add_url_rule(_alias, f"{_name}_alias", _view, methods=["POST"])


@own_bp.post("/auth/logout-all/")
@authenticated
@own_bp.alt_response(200, schema=schemas.LogoutAllShape)
@own_bp.alt_response(202, schema=schemas.LogoutAllShape)
@own_bp.problems(400, 401, 503)
@own_bp.doc(security=SECURITY)
def logout_all() -> ResponseReturnValue:
    """Log out everywhere: end every session of the user, this one too."""
    user_id, held = claims().user_id, transport.in_cookie()
    ended, redis_knows = own.log_out_everywhere(db.session(), user_id, now=web.now())
    message = {"message": "Logged out everywhere", "sessions_ended": ended}
    forgotten = transport.forget_if(lambda found: found.user_id == user_id, held)
    return *answers.ended(message, redis_knows=redis_knows), CLEAR_SITE_DATA | forgotten


@own_bp.get("/auth/me/")
@polling
@own_bp.alt_response(200, schema=schemas.MeShape)
@own_bp.problems(400, 401, 503)
@own_bp.doc(security=SECURITY)
def me() -> ResponseReturnValue:
    """Show the user, the session and the seconds left. Asking is no user activity."""
    token = claims()
    mine = own.remembered(token) or own.look_at_own(db.session(), token)
    return answers.me(mine, web.now(), settings().shift_handoff)


@own_bp.get("/auth/sessions/")
@authenticated
@own_bp.arguments(PageArgs, location="query")
@own_bp.alt_response(200, schema=schemas.OwnSessionsShape)
@own_bp.problems(400, 401, 503)
@own_bp.leads_to("end_session", parameters={"sid": "/items/0/id"})
@own_bp.doc(security=SECURITY)
def list_sessions(args: dict[str, Any]) -> ResponseReturnValue:
    """List own sessions of the last 30 days, and why the ended ones ended."""
    mine = claims()
    rows, total = own.list_own(db.session(), mine.user_id, now=web.now(), **args)
    return answers.own_sessions(rows, total, mine.sid, **args)


@own_bp.delete("/auth/sessions/<sid:sid>/")
@authenticated
@own_bp.alt_response(200, schema=schemas.MessageShape)
@own_bp.alt_response(202, schema=schemas.MessageShape)
@own_bp.problems(400, 401, 404, 503)
@own_bp.doc(security=SECURITY)
def end_session(sid: str) -> ResponseReturnValue:
    """End one of the user's own sessions."""
    held = transport.in_cookie()
    redis_knows = own.end_own(db.session(), claims(), sid, now=web.now())
    forgotten = transport.forget_if(lambda found: found.sid == sid, held)
    return *answers.ended({"message": "Session ended"}, redis_knows=redis_knows), forgotten


@bp.post("/auth/password/")
@authenticated
@bp.arguments(schemas.PasswordArgs)
@bp.alt_response(200, schema=schemas.PasswordChangedShape)
@bp.alt_response(202, schema=schemas.PasswordChangedShape)
@bp.problems(*BODY_PROBLEMS, 401, 429, 503)
@bp.doc(security=SECURITY)
def password(args: dict[str, Any]) -> ResponseReturnValue:
    """Change the password: ends the other sessions and answers with this one's next pair.

    Where the session's refresh token is in the cookie, the next one goes there; without the cookie
    nothing is changed (400).
    """
    throttles.count_password(claims().user_id)
    held = transport.in_cookie()
    current, new = args["current_password"], args["new_password"]
    by_cookie = held is not None and held.sid == claims().sid
    grant, redis_knows = change_password(
        db.session(), current, new, claims(), by_cookie=by_cookie, now=web.now()
    )
    answer, headers = transport.answer(grant, by_cookie=by_cookie)
    return *answers.ended(answer, redis_knows=redis_knows), headers


@bp.post("/auth/password/reset/")
@bp.arguments(schemas.ResetArgs)
@bp.alt_response(200, schema=schemas.LogoutAllShape)
@bp.alt_response(202, schema=schemas.LogoutAllShape)
@bp.problems(*BODY_PROBLEMS, 401, 429, 503)
def password_reset(args: dict[str, Any]) -> ResponseReturnValue:
    """Choose a new password by a one-time code; every session of the account ends. Then log in.

    Unknown account, wrong, used or expired code and disabled account are answered alike, and as a
    login is; they count towards the same limits.
    """
    throttles.count_login(args["email"])
    reset = Reset(args["email"], args["code"], args["new_password"])
    ended, redis_knows = reset_password(db.session(), reset, now=web.now())
    message = {"message": "Password changed", "sessions_ended": ended}
    return answers.ended(message, redis_knows=redis_knows)


def _to_log_out(token: transport.Presented | None) -> Claims:
    """Return the claims of the token to log out.

    Raises NotATokenOfOurs, NotAuthenticated, CsrfFailed.
    """
    try:
        if token is not None:
            return transport.verified(token)
        access = bearer_token()
        if access is None:
            raise NotAuthenticated()
        return tokens().read_access(access)
    except TokenNotValid:
        raise NotATokenOfOurs() from None
