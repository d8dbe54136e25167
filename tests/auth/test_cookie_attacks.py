"""What other pages, subdomains and former tabs try with a cookie that the browser sends along."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.auth.cookies import CSRF, REFRESH
from tests.auth.cookie_jar import OWN, Browser, are_cleared, set_cookies
from tests.auth.helpers import CONSTANT, SQLITE, Forger, events, outside, refreshed
from tests.auth_helper import EMAIL, PASSWORD, Auth
from tests.conftest import MakeApp, MakeSettings

pytestmark = SQLITE
LISTED = "https://app.hospital.example"
BAD_ORIGINS = [
    None, "null", "", "https://evil.example", "https://localhost", "http://localhost:3000",
    "http://localhost.evil.example", "http://xlocalhost", "http://127.0.0.1", "http://localhost/",
    "http://localhost, http://localhost", "file://", "http://app.hospital.example",
    "https://app.hospital.example:444", "https://app.hospital.example.evil.example",
]  # fmt: skip


@pytest.fixture
def victim(auth: Auth) -> Browser:
    """The browser of somebody who is logged in."""
    auth.create_user()
    browser = Browser(auth.app.test_client(use_cookies=False))
    browser.logged_in()
    return browser


def refused_as_forged(response: TestResponse) -> bool:
    """Say whether the page was refused: a problem, no token, no cookie taken or set."""
    assert REFRESH not in response.text
    return (
        response.status_code == 403
        and response.get_json()["code"] == "csrf_failed"
        and "Set-Cookie" not in response.headers
        and "Clear-Site-Data" not in response.headers
    )


def goes_on(browser: Browser) -> bool:
    """Say whether the session is as it was: its next refresh is its first."""
    browser.origin = OWN
    return refreshed(browser.refresh())["reissued"] is False


@pytest.mark.settings(cors_origins=[LISTED])
@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_a_page_of_another_origin_is_refused_even_with_the_right_value(
    route: str, victim: Browser, sql: Sql
) -> None:
    for origin in BAD_ORIGINS:
        victim.origin = origin
        assert refused_as_forged(victim.send(route, csrf=victim.csrf)), origin
    recorded = events(sql, "token:csrf_refused")
    assert {(each.reason, each.outcome) for each in recorded} == {("origin", "refused")}
    assert len(recorded) == len(BAD_ORIGINS)
    assert all(each.sid and each.user_id and each.jti for each in recorded)
    assert goes_on(victim)


@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_without_the_header_or_with_a_wrong_one_nothing_happens(
    route: str, auth: Auth, victim: Browser, sql: Sql
) -> None:
    auth.create_user("thief@ward.example")
    thief = Browser(victim.client)
    thief.logged_in("thief@ward.example")
    right = victim.csrf
    other_session = Browser(victim.client).logged_in()["csrf_token"]
    guesses = [
        None, "", thief.csrf, other_session, right[:-1], right + "=", right.swapcase(), " ",
        f"{right}, {right}", f"{right},{thief.csrf}", "é" * 43, victim.jar[REFRESH], "x" * 8000,
    ]  # fmt: skip
    for guess in guesses:
        assert refused_as_forged(victim.send(route, csrf=guess)), guess
    assert {each.reason for each in events(sql, "token:csrf_refused")} == {"header"}
    assert goes_on(victim)


def test_the_value_cannot_be_made_from_the_session_id(victim: Browser) -> None:
    """The `sid` is no secret: it stands in lists and in the trail."""
    sid = Forger(victim.client.application, victim.jar[REFRESH]).payload["sid"].encode()
    made = [hashlib.sha256(sid).digest()]
    made += [hmac.digest(key, sid, "sha256") for key in (b"", b"carelink csrf", sid)]
    for value in made:
        guess = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
        assert refused_as_forged(victim.send("refresh", csrf=guess))


@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_two_tokens_at_once_are_refused_and_neither_counts(
    route: str, auth: Auth, victim: Browser
) -> None:
    mine = auth.tokens()
    for body in ({"refresh": mine["refresh"]}, {"refresh": victim.jar[REFRESH]}, {"refresh": "x"}):
        response = victim.send(route, body, csrf=victim.csrf)
        assert response.status_code == 400
        assert response.get_json()["code"] == "invalid_request"
        assert "Set-Cookie" not in response.headers
    assert refreshed(auth.refresh(mine["refresh"]))["reissued"] is False
    assert goes_on(victim)


@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_two_cookies_of_the_name_are_refused(route: str, auth: Auth, victim: Browser) -> None:
    auth.create_user("thief@ward.example")
    thief = Browser(victim.client)
    thief.logged_in("thief@ward.example")
    mine, theirs = (f"{REFRESH}={each.jar[REFRESH]}" for each in (victim, thief))
    for header in (
        f"{mine}; {theirs}",
        f"{theirs}; {mine}",
        f"{mine};{mine}",
        f"{mine}; {REFRESH}=",
    ):
        for csrf in (victim.csrf, thief.csrf):
            response = victim.send(route, csrf=csrf, cookies=header)
            assert response.status_code == 400, header
            assert "Set-Cookie" not in response.headers
    assert goes_on(victim)
    assert goes_on(thief)


@pytest.mark.parametrize("route", ["refresh", "logout"])
def test_cookie_lines_that_a_server_has_joined_by_commas_are_no_token(
    route: str, victim: Browser
) -> None:
    joined = f"{victim.header()},{REFRESH}=x".replace("; ", ",")
    response = victim.send(route, csrf=victim.csrf, cookies=joined)
    assert response.status_code in (400, 401)
    assert goes_on(victim)


def tossed(token: str, csrf: str) -> dict[str, str]:
    """Return what a subdomain can set for the whole domain: any name without the prefix itself."""
    return {
        name: f"{name}={token}; {name.replace('refresh', 'csrf')}={csrf}"
        for name in (
            "carelink_refresh", "__host-carelink_refresh", "__HOST-carelink_refresh",
            "__Secure-carelink_refresh", " __Host-carelink_refresh", "X__Host-carelink_refresh",
            "\u00a0__Host-carelink_refresh", "\u2003__Host-carelink_refresh",
            "\u0085__Host-carelink_refresh", "\x0b__Host-carelink_refresh",
            '"__Host-carelink_refresh"', "%5F_Host-carelink_refresh", "$Version=1,__Host-x",
        )
    }  # fmt: skip


def test_a_subdomain_cannot_toss_a_session_at_the_browser(auth: Auth, victim: Browser) -> None:
    """Names that only look like ours carry no prefix's protection, so they must not count."""
    auth.create_user("thief@ward.example")
    thief = Browser(victim.client)
    thief.logged_in("thief@ward.example")
    own = victim.header()
    for name, header in tossed(thief.jar[REFRESH], thief.csrf).items():
        if name.startswith(" "):  # a browser trims it, and so knows the prefix again
            continue
        sent = header.encode().decode("latin-1")
        alone = victim.send("refresh", csrf=thief.csrf, cookies=sent)
        assert (alone.status_code, alone.get_json()["code"]) == (401, "not_authenticated"), name
        for order in (f"{sent}; {own}", f"{own}; {sent}"):
            assert refused_as_forged(victim.send("logout", csrf=thief.csrf, cookies=order)), name
    assert goes_on(victim)
    assert goes_on(thief)


def test_a_planted_csrf_cookie_proves_nothing(victim: Browser) -> None:
    """The value is held against the session, never against the other cookie."""
    for planted in ("planted", "", "A" * 43):
        header = f"{REFRESH}={victim.jar[REFRESH]}; {CSRF}={planted}"
        assert refused_as_forged(victim.send("refresh", csrf=planted, cookies=header))
    assert goes_on(victim)


def test_a_form_of_another_page_reaches_nothing(victim: Browser) -> None:
    """What a page can send without asking first: no header of ours, three content types."""
    for route in ("refresh", "logout"):
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            response = victim.client.post(
                f"/api/auth/{route}/",
                data="{}" if content_type else "",
                headers={"Cookie": victim.header(), "Origin": "https://evil.example"},
                content_type=content_type or None,
            )
            assert response.status_code in (403, 415)
            assert "Set-Cookie" not in response.headers
    assert goes_on(victim)


def test_a_cookie_that_is_no_token_of_ours_is_taken_away(
    victim: Browser, make_app: MakeApp, auth: Auth
) -> None:
    forger = Forger(auth.app, victim.jar[REFRESH])
    access = auth.tokens()["access"]
    elsewhere = signed_elsewhere(make_app)
    rubbish = ["", "x", "a.b.c", "é", access, elsewhere, forger.claims(type="access"), "x" * 9000]
    for token in rubbish:
        header = f"{REFRESH}={token.encode().decode('latin-1')}"
        response = victim.send("refresh", csrf=victim.csrf, cookies=header)
        assert outside(response)[:2] == (401, CONSTANT), token
        assert are_cleared(response)
        response = victim.send("logout", csrf=victim.csrf, cookies=header)
        assert response.status_code == 400
        assert response.get_json()["error"] == "Invalid token"
        assert are_cleared(response)


def signed_elsewhere(make_app: MakeApp) -> str:
    """Return a refresh token of another key ring, for the same account."""
    other = make_app(jwt_secret_key="Qm9ye5-hX2wK7vB0nJ4zL8sD1fT6cR3p")
    browser = Browser(other.test_client(use_cookies=False))
    browser.logged_in()
    return browser.jar[REFRESH]


def test_rubbish_in_the_cookie_is_refused_to_other_pages_like_any_cookie(victim: Browser) -> None:
    victim.origin = "https://evil.example"
    assert refused_as_forged(victim.send("refresh", cookies=f"{REFRESH}=x"))


def test_a_login_for_a_cookie_wants_a_good_origin_too(auth: Auth) -> None:
    """Else another page could log somebody in as somebody else."""
    auth.create_user()
    browser = Browser(auth.app.test_client(use_cookies=False))
    for origin in (*BAD_ORIGINS, LISTED):
        browser.origin = origin
        response = browser.login()
        assert refused_as_forged(response), origin
        wrong = browser.login(password="wrong password of theirs")
        assert refused_as_forged(wrong), origin


def test_the_value_of_a_former_secret_counts_while_the_secret_verifies(
    victim: Browser, make_app: MakeApp, make_settings: MakeSettings
) -> None:
    former = make_settings().jwt_secret_key.get_secret_value()
    secret = "Qm9ye5-hX2wK7vB0nJ4zL8sD1fT6cR3p"
    later = make_app(jwt_secret_key=secret, jwt_verifying_secrets=[former])
    moved = Browser(later.test_client(use_cookies=False))
    moved.jar = dict(victim.jar)
    answer = refreshed(moved.refresh())
    assert answer["csrf_token"] == moved.csrf != victim.csrf
    assert refreshed(moved.refresh())["csrf_token"] == moved.csrf
    last = make_app(jwt_secret_key=secret)
    moved.client = last.test_client(use_cookies=False)
    assert refused_as_forged(moved.refresh(csrf=victim.csrf))
    assert moved.refresh().status_code == 200


@pytest.mark.settings(cors_origins=[LISTED, "https://Ward.Hospital.Example:8443"])
def test_a_listed_page_works_across_origins_by_the_value_in_the_answer(auth: Auth) -> None:
    auth.create_user()
    for origin in (LISTED, "https://ward.hospital.example:8443"):
        page = Browser(auth.app.test_client(use_cookies=False), origin)
        answer = page.logged_in()
        response = page.refresh(csrf=answer["csrf_token"])
        assert refreshed(response)["session"]["id"] == answer["session"]["id"]
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert page.logout().status_code == 200


def test_our_own_origin_is_what_the_browser_has_addressed(auth: Auth) -> None:
    auth.create_user()
    client = auth.app.test_client(use_cookies=False)
    body: dict[str, Any] = {"email": EMAIL, "password": PASSWORD, "transport": "cookie"}
    for host, origin, good in (
        ("http://localhost:5000", "http://localhost:5000", True),
        ("http://localhost:5000", "http://localhost", False),
        ("https://care.example", "https://care.example", True),
        ("https://care.example", "http://care.example", False),
        ("https://care.example:8443", "https://care.example:8443", True),
        ("https://care.example:8443", "https://care.example", False),
        ("http://[::1]:5000", "http://[::1]:5000", True),
        ("http://127.0.0.1:5000", "http://localhost:5000", False),
    ):
        headers = {"Origin": origin}
        response = client.post("/api/auth/login/", json=body, base_url=host, headers=headers)
        assert (response.status_code == 200) is good, (host, origin)


@pytest.mark.settings(trusted_proxies=1)
def test_behind_a_proxy_our_origin_is_the_proxys(auth: Auth) -> None:
    auth.create_user()
    client = auth.app.test_client(use_cookies=False)
    body = {"email": EMAIL, "password": PASSWORD, "transport": "cookie"}
    proxied = {"X-Forwarded-Host": "care.example:8443", "X-Forwarded-Proto": "https"}
    for origin, good in (("https://care.example:8443", True), ("http://localhost", False)):
        headers = proxied | {"Origin": origin}
        response = client.post("/api/auth/login/", json=body, headers=headers)
        assert (response.status_code == 200) is good, origin


@pytest.mark.settings(ratelimit_enabled=True)
def test_a_throttled_refresh_keeps_its_cookies(victim: Browser) -> None:
    for _ in range(120):
        assert victim.refresh().status_code == 200
    response = victim.refresh()
    assert response.status_code == 429
    assert "Set-Cookie" not in response.headers


def test_the_answer_to_a_client_without_pages_names_what_is_missing(client: FlaskClient) -> None:
    response = client.post(
        "/api/auth/login/", json={"email": EMAIL, "password": PASSWORD, "transport": "cookie"}
    )
    assert response.status_code == 403
    assert "of this origin" in response.get_json()["detail"]
    assert not set_cookies(response)
