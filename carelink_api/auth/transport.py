"""How a refresh token travels: in bodies, or in a cookie; never one way in and the other out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import web
from ..audit.events import Event, Outcome
from ..audit.record import record
from ..database import writing
from ..errors import CsrfFailed, InvalidRequest, NotATokenOfOurs, TokenNotValid
from ..extensions import db
from ..sessions.claims import RefreshClaims
from ..sessions.grants import Grant
from . import answers, cookies, csrf
from .tokens import tokens

Headers = dict[str, str | list[str]]


@dataclass(frozen=True)
class Presented:
    """A refresh token as it came, not yet looked at."""

    token: str
    by_cookie: bool


def presented(in_body: str | None) -> Presented | None:
    """Return the request's refresh token. Raises InvalidRequest for two at once."""
    in_cookie = cookies.refresh_token()
    if in_cookie is None:
        return None if in_body is None else Presented(in_body, by_cookie=False)
    if in_body is not None:
        raise InvalidRequest("Send the refresh token in the body or in the cookie, not in both.")
    return Presented(in_cookie, by_cookie=True)


def verified(token: Presented) -> RefreshClaims:
    """Return the claims of a refresh token of ours, expired or not.

    Raises TokenNotValid, and CsrfFailed for a cookie that no page of ours has sent.
    """
    if not token.by_cookie:
        return tokens().read_refresh(token.token)
    claims = _read(token.token)
    if not csrf.is_from_good_origin():
        _refuse_page("origin", claims)
    if claims is None:
        raise TokenNotValid()
    if not csrf.fits(claims.sid):
        _refuse_page("header", claims)
    return claims


def to_be_replaced() -> RefreshClaims | None:
    """Let a page log in for a cookie; return whose session the present one holds, if any.

    Raises CsrfFailed for a page that may not use cookies, InvalidRequest for two of them.
    """
    if not csrf.is_from_good_origin():
        _refuse_page("origin", None)
    return in_cookie()


@contextmanager
def clearing(token: Presented | None) -> Iterator[None]:
    """Take the cookies away with the refusal of the token in them: it is of no more use."""
    try:
        yield
    except (TokenNotValid, NotATokenOfOurs) as refused:
        if token is not None and token.by_cookie:
            refused.headers["Set-Cookie"] = cookies.cleared(web.now())
        raise


def answer(grant: Grant, *, by_cookie: bool, **members: Any) -> tuple[answers.Answer, Headers]:
    """Mint a grant's tokens; return the body and headers that carry them."""
    pair = tokens().mint(grant)
    body = answers.access(grant, pair.access) | members
    if not by_cookie:
        return body | {"refresh": pair.refresh}, {}
    value, until = csrf.value_for(grant.session.id), grant.session.expires_at
    held = cookies.holding(pair.refresh, value, now=web.now(), expires_at=until)
    return body | {"csrf_token": value}, {"Set-Cookie": held}


def in_cookie() -> RefreshClaims | None:
    """Return whose session the browser's cookie holds, None where it holds none of ours.

    For routes that an access token opens; it grants nothing. Raises InvalidRequest for two.
    """
    token = cookies.refresh_token()
    return None if token is None else _read(token)


def forget_if(over: Callable[[RefreshClaims], bool], held: RefreshClaims | None) -> Headers:
    """Return the headers that take the cookies away where the session they hold is over now."""
    return forgotten() if held is not None and over(held) else {}


def forgotten() -> Headers:
    """Return the headers with which the browser forgets the cookies."""
    return {"Set-Cookie": cookies.cleared(web.now())}


def _read(token: str) -> RefreshClaims | None:
    try:
        return tokens().read_refresh(token)
    except TokenNotValid:
        return None


def _refuse_page(fault: str, claims: RefreshClaims | None) -> NoReturn:
    """Audit and refuse what another page may have made the browser send."""
    with writing(db.session()) as sql:
        record(
            sql,
            Event.CSRF_REFUSED,
            now=web.now(),
            outcome=Outcome.REFUSED,
            reason=fault,
            user_id=claims.user_id if claims else None,
            sid=claims.sid if claims else None,
            jti=claims.jti if claims else None,
        )
    raise CsrfFailed()
