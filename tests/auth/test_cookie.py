"""The refresh token in a cookie: what a page sees of it, and how each route treats it."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session as Sql

from carelink_api.auth.cookies import CSRF, REFRESH
from tests.auth.cookie_jar import Browser, are_cleared, set_cookies
from tests.auth.helpers import (
    SQLITE,
    claims_of,
    events,
    refreshed,
    refused_with,
    statements,
    take_notes,
)
from tests.auth_helper import EMAIL, PASSWORD, Auth, bearer
from tests.conftest import Travel

pytestmark = SQLITE
NEW_PASSWORD = "seven umbrellas on the quay"


@pytest.fixture
def browser(auth: Auth) -> Browser:
    """A browser of a user who has an account and is not logged in; no cookie of the client's."""
    auth.create_user()
    return Browser(auth.app.test_client(use_cookies=False))


@pytest.fixture
def mine(browser: Browser) -> dict[str, Any]:
    """The answer of that browser's login."""
    return browser.logged_in()


@pytest.mark.parametrize("path", ["/api/auth/login/", "/api/auth/login", "/api/token/"])
def test_a_login_puts_the_token_where_no_script_sees_it(path: str, browser: Browser) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "transport": "cookie"}
    response = browser.send("login", body, path=path)
    answer = refreshed(response)
    assert "refresh" not in answer
    token, csrf = (set_cookies(response)[name] for name in (REFRESH, CSRF))
    assert token.value not in response.text
    assert claims_of(token.value)["sid"] == answer["session"]["id"]
    for cookie in (token, csrf):
        assert cookie["secure"] is True
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Strict", "/", "")
        assert 12 * 3600 - 5 <= int(cookie["max-age"]) <= 12 * 3600
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", cookie["expires"])
    assert token["httponly"] is True
    assert not csrf["httponly"]
    assert answer["csrf_token"] == csrf.value
    assert re.fullmatch(r"[\w-]{43}", csrf.value)


def test_a_login_by_body_sets_no_cookie(auth: Auth) -> None:
    auth.create_user()
    for body in ({}, {"transport": "body"}):
        response = auth.login(**body)
        assert "refresh" in response.get_json()
        assert "csrf_token" not in response.get_json()
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", ["/api/auth/refresh/", "/api/token/refresh"])
def test_a_refresh_by_cookie_answers_by_cookie(
    path: str, browser: Browser, mine: dict[str, Any]
) -> None:
    before = dict(browser.jar)
    response = browser.refresh(path=path)
    answer = refreshed(response)
    assert "refresh" not in answer
    assert answer["reissued"] is False
    assert answer["csrf_token"] == mine["csrf_token"] == browser.jar[CSRF] == before[CSRF]
    old, new = claims_of(before[REFRESH]), claims_of(browser.jar[REFRESH])
    assert (new["sid"], new["gen"], new["exp"]) == (old["sid"], old["gen"] + 1, old["exp"])
    assert browser.jar[REFRESH] not in response.text


def test_a_refresh_by_body_never_sets_a_cookie(auth: Auth, first: dict[str, Any]) -> None:
    response = auth.refresh(first["refresh"])
    assert "refresh" in refreshed(response)
    assert "Set-Cookie" not in response.headers


def test_a_refresh_by_cookie_takes_three_statements(browser: Browser, mine: dict[str, Any]) -> None:
    with statements() as seen:
        refreshed(browser.refresh())
    assert len(seen) == 3


def test_no_token_at_all_is_a_bare_challenge(client: FlaskClient) -> None:
    for body in (None, {}):
        response = (
            client.post("/api/auth/refresh/", json=body)
            if body is not None
            else client.post("/api/auth/refresh/")
        )
        assert response.status_code == 401
        assert response.get_json()["code"] == "not_authenticated"
        assert "Set-Cookie" not in response.headers


def test_a_lost_answer_is_given_again(
    browser: Browser, mine: dict[str, Any], travel: Travel
) -> None:
    before = dict(browser.jar)
    lost = browser.refresh()
    browser.jar = before
    again = refreshed(browser.refresh())
    assert again["reissued"] is True
    assert claims_of(browser.jar[REFRESH]) == claims_of(set_cookies(lost)[REFRESH].value)
    travel(11)
    assert refreshed(browser.refresh())["reissued"] is False


def test_answers_to_several_tabs_may_arrive_in_any_order(
    auth: Auth, browser: Browser, mine: dict[str, Any], travel: Travel
) -> None:
    for _ in range(3):
        travel(20 * 60)
        cookies = browser.header()
        refreshed(browser.refresh())
        late = browser.send("refresh", csrf=browser.csrf, cookies=cookies)
        assert refreshed(late)["reissued"] is True
        access = refreshed(browser.refresh())["access"]
        browser.keep(late)  # over what the last one has brought
        assert auth.me(access).status_code == 200


def test_reuse_ends_the_session_and_takes_the_cookies(
    auth: Auth, browser: Browser, mine: dict[str, Any], travel: Travel
) -> None:
    thief = Browser(browser.client)
    thief.jar = dict(browser.jar)
    new = refreshed(browser.refresh())
    assert auth.me(new["access"]).status_code == 200
    take_notes(auth.app)
    travel(11)
    response = thief.refresh()
    assert refused_with(response, "reused")
    assert are_cleared(response)
    again = browser.refresh()
    assert refused_with(again, "reused")
    assert are_cleared(again)


@pytest.mark.parametrize("path", ["/api/auth/logout/", "/api/token/blacklist"])
def test_logging_out_by_cookie_ends_the_session_and_takes_the_cookies(
    path: str, auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    kept = browser.header()
    response = browser.logout(path=path)
    assert refreshed(response) == {"message": "Logout successful"}
    assert are_cleared(response)
    assert response.headers["Clear-Site-Data"] == '"cache"'
    assert auth.me(mine["access"]).get_json()["reason"] == "revoked"
    again = browser.logout(cookies=kept, csrf=mine["csrf_token"])
    assert again.status_code == 200
    assert refused_with(browser.refresh(cookies=kept, csrf=mine["csrf_token"]), "revoked")


def test_logging_out_works_with_an_expired_cookie(
    browser: Browser, mine: dict[str, Any], travel: Travel
) -> None:
    travel(13 * 3600)
    assert browser.logout().status_code == 200


def test_a_cookie_whose_time_is_over_is_refused_and_taken(
    browser: Browser, mine: dict[str, Any], travel: Travel
) -> None:
    travel(13 * 3600)
    response = browser.refresh()
    assert refused_with(response, "expired")
    assert are_cleared(response)


def test_a_session_that_was_ended_takes_its_cookies_along(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    auth.logout_all(mine["access"])
    response = browser.refresh()
    assert refused_with(response, "revoked")
    assert are_cleared(response)


def test_logging_out_everywhere_takes_the_users_own_cookies_only(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    auth.create_user("other@ward.example")
    stale = auth.tokens("other@ward.example")
    response = browser.send("logout-all", access=stale["access"])
    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    response = browser.send("logout-all", access=mine["access"])
    assert refreshed(response)["sessions_ended"] == 1
    assert are_cleared(response)
    assert response.headers["Clear-Site-Data"] == '"cache"'


def test_ending_the_session_in_the_cookie_takes_it_and_ending_another_does_not(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    other = auth.tokens()
    for answer, taken in ((other, False), (mine, True)):
        path = f"/api/auth/sessions/{answer['session']['id']}/"
        response = browser.send("", access=mine["access"], path=path, method="DELETE")
        assert response.status_code == 200
        assert are_cleared(response) is taken
        assert ("Set-Cookie" in response.headers) is taken


def test_a_password_change_answers_a_cookie_session_by_cookie(
    browser: Browser, mine: dict[str, Any]
) -> None:
    before = dict(browser.jar)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    response = browser.send("password", body, access=mine["access"])
    answer = refreshed(response)
    assert "refresh" not in answer
    assert claims_of(browser.jar[REFRESH])["gen"] == 2
    assert browser.jar[REFRESH] not in response.text
    assert refreshed(browser.refresh())["session"]["id"] == mine["session"]["id"]
    browser.jar = before
    assert refused_with(browser.refresh(), "reused")


def test_a_password_change_without_the_cookie_changes_nothing_in_a_cookie_session(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = auth.app.test_client(use_cookies=False).post(
        "/api/auth/password/", json=body, headers=bearer(mine["access"])
    )
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request")
    assert "refresh" not in answer.get_json()
    assert browser.refresh().status_code == 200
    assert auth.login(password=NEW_PASSWORD).status_code == 401


def test_a_password_change_by_body_leaves_another_sessions_cookie_alone(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    """An application with tokens of its own, in a browser that holds somebody's cookie."""
    auth.create_user("other@ward.example")
    theirs = auth.tokens("other@ward.example")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    response = browser.send("password", body, access=theirs["access"])
    assert claims_of(refreshed(response)["refresh"])["sid"] == theirs["session"]["id"]
    assert "Set-Cookie" not in response.headers
    assert refreshed(browser.refresh())["session"]["id"] == mine["session"]["id"]


def test_logging_in_again_in_place_leaves_the_earlier_session_to_its_client(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    again = browser.logged_in()
    assert again["csrf_token"] != mine["csrf_token"]
    assert auth.me(mine["access"]).status_code == 200
    path = f"/api/auth/sessions/{mine['session']['id']}/"
    ended = browser.send("", access=again["access"], path=path, method="DELETE")
    assert ended.status_code == 200
    assert "Set-Cookie" not in ended.headers
    assert refreshed(browser.refresh())["session"]["id"] == again["session"]["id"]


def test_another_users_login_ends_the_session_whose_cookie_it_replaces(
    auth: Auth, browser: Browser, mine: dict[str, Any], sql: Sql
) -> None:
    next_user = auth.create_user("next@ward.example")
    elsewhere = auth.tokens()
    assert browser.login("next@ward.example", "not the password").status_code == 401
    assert auth.me(mine["access"]).status_code == 200
    theirs = browser.logged_in("next@ward.example")
    assert auth.me(mine["access"]).get_json()["reason"] == "revoked"
    for access in (theirs["access"], elsewhere["access"]):
        assert auth.me(access).status_code == 200
    (ended,) = events(sql, "session:revoked")
    assert (ended.sid, ended.user_id) == (mine["session"]["id"], mine["user"]["id"])
    assert (ended.actor, ended.reason) == (f"user:{next_user.id}", "revoked")
    assert ended.detail == {"because": "replaced"}


def test_a_forged_cookie_ends_no_session_at_a_login(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    auth.create_user("next@ward.example")
    forged = browser.jar[REFRESH][:-4] + "AAAA"
    credentials = {"email": "next@ward.example", "password": PASSWORD, "transport": "cookie"}
    for cookies, status in ((f"{REFRESH}={forged}", 200), (f"{REFRESH}=x; {REFRESH}=y", 400)):
        assert browser.send("login", credentials, cookies=cookies).status_code == status
    assert auth.me(mine["access"]).status_code == 200


def test_a_login_by_body_leaves_the_cookie_alone(
    auth: Auth, browser: Browser, mine: dict[str, Any]
) -> None:
    auth.create_user("next@ward.example")
    response = browser.login("next@ward.example", transport="body")
    assert "Set-Cookie" not in response.headers
    assert refreshed(browser.refresh())["session"]["id"] == mine["session"]["id"]


def test_a_tab_of_the_former_user_cannot_go_on_with_the_next_ones_cookie(
    auth: Auth, browser: Browser, mine: dict[str, Any], sql: Sql
) -> None:
    auth.create_user("next@ward.example")
    theirs = browser.logged_in("next@ward.example")
    assert auth.me(theirs["access"]).status_code == 200
    for act in (browser.refresh, browser.logout):
        response = act(csrf=mine["csrf_token"])
        assert response.status_code == 403
        assert response.get_json()["code"] == "csrf_failed"
    assert refreshed(browser.refresh())["session"]["id"] == theirs["session"]["id"]
    assert [event.reason for event in events(sql, "token:csrf_refused")] == ["header"] * 2
