"""The production shape, run as it is stated: people log in through nginx, operators revoke."""

import json

import pytest

from tests.auth_helper import Account
from tests.e2e.clients import Api, claims_of, granted, refused
from tests.processes import wait_for
from tests.production.site import FLASK, Site


def test_a_nurse_logs_in_through_the_proxy_refreshes_and_is_revoked_by_command(
    site: Site, api: Api, user: Account
) -> None:
    pair = api.tokens(user)
    granted(api.me(pair["access"]))
    later = granted(api.refresh(pair["refresh"]))
    granted(api.me(later["access"]))
    sid = claims_of(later["access"])["sid"]

    listed = json.loads(site.flask("sessions", "list", "--user", user.email, "--json"))
    assert sid in json.dumps(listed)
    site.flask("sessions", "revoke", "--session", sid, "--reason", "lost tablet", "--yes")

    assert refused(api.me(later["access"])) == "revoked"
    assert refused(api.refresh(later["refresh"])) == "revoked"
    with site.denylist.operator() as operator:
        assert operator.exists(f"carelink:revoked:{{{sid}}}")


def test_a_page_of_the_site_keeps_its_session_in_a_cookie(api: Api, user: Account) -> None:
    """The origin is known through the proxy, its port with it."""
    origin = str(api.http.base_url).rstrip("/")
    body = {"email": user.email, "password": user.password, "transport": "cookie"}
    for given, status in ((origin, 200), ("https://localhost", 403), (f"{origin}0", 403)):
        login = api.http.post("/api/auth/login/", json=body, headers={"Origin": given})
        assert login.status_code == status, login.text
        if status == 200:
            proof = {"Origin": given, "X-CareLink-CSRF": login.json()["csrf_token"]}
    granted(api.http.post("/api/auth/refresh/", headers=proof))
    assert api.http.post("/api/auth/logout/", headers=proof).status_code == 200
    assert len(api.http.cookies.jar) == 0


def test_it_is_ready_and_the_doctor_finds_nothing(site: Site, api: Api) -> None:
    def is_ready() -> bool:
        answer = api.http.get("/health/ready/")
        return answer.status_code == 200 and answer.json()["status"] == "ready"

    wait_for(is_ready, "readiness")
    checks = json.loads(site.flask("doctor", "--json"))
    assert checks["safe"] is True
    assert [check for check in checks["checks"] if check["state"] != "ok"] == []


def test_the_trail_is_sealed_by_a_key_that_no_worker_has(
    site: Site, api: Api, user: Account
) -> None:
    api.tokens(user)
    site.flask("housekeep", "--once", service="housekeeper")
    assert "whole" in site.flask("audit", "verify", service="housekeeper")
    of_worker = site.attempt(*FLASK, "audit", "verify")
    assert (of_worker.returncode, "a key that is not here" in of_worker.stdout) == (1, True)
    assert json.loads(site.flask("doctor", "--json"))["safe"] is True  # it was no judge


def test_plain_http_is_sent_to_https_but_an_api_call_is_refused(site: Site) -> None:
    with site.plain() as http:
        page = http.get("/api/docs-of-old")
        assert (page.status_code, page.json()["code"]) == (403, "https_required")
        login = http.post("/api/auth/login/", json={"email": "a", "password": "b"})
        assert login.json()["code"] == "https_required"
        home = http.get("/some/page?x=1")
        assert home.status_code == 308
        assert home.headers["Location"] == "https://localhost/some/page?x=1"
        (site.places.folder / "acme/.well-known/acme-challenge").mkdir(parents=True)
        (site.places.folder / "acme/.well-known/acme-challenge/x").write_text("proof")
        assert http.get("/.well-known/acme-challenge/x").text == "proof"


@pytest.mark.parametrize("path", ["/", "/api/auth/me/", "/nothing", "/health/live/"])
def test_the_security_headers_come_once(path: str, api: Api) -> None:
    headers = api.http.get(path).headers
    for name in ("Strict-Transport-Security", "X-Content-Type-Options", "Cache-Control"):
        assert len(headers.get_list(name)) == 1, name
    assert "Server" not in headers or headers["Server"] == "nginx"


def test_a_body_that_is_too_large_is_refused_at_the_door(api: Api) -> None:
    answer = api.http.post("/api/auth/login/", content=b"x" * 65537)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert len(answer.headers.get_list("Strict-Transport-Security")) == 1
    within = api.http.post("/api/auth/login/", content=b"x" * 65536)
    assert within.status_code == 415  # the application's own word


def test_metrics_are_for_those_inside(site: Site, api: Api) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics"):
        url = f"https://localhost:{site.places.https}{path}"
        answer = api.http.get(url).json()
        assert answer["code"] == "not_found", path
        assert "request_id" not in answer  # the application was not asked
