"""The contract's table (`docs/design.md`, section 7), line by line."""

import re
from collections.abc import Iterator
from typing import Any

import marshmallow as ma
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from carelink_api.auth import schemas
from tests.auth.helpers import SQLITE
from tests.auth_helper import EMAIL, PASSWORD, Auth, bearer

pytestmark = SQLITE

CREDENTIALS = {"email": EMAIL, "password": PASSWORD}
POSTS = {
    "login": ["/api/auth/login/", "/api/token/"],
    "refresh": ["/api/auth/refresh/", "/api/token/refresh/"],
    "logout": ["/api/auth/logout/", "/api/token/blacklist/"],
    "verify": ["/api/auth/verify/", "/api/token/verify/"],
}
GUARDED = {
    "/api/auth/logout-all/": "POST",
    "/api/auth/me/": "GET",
    "/api/auth/sessions/": "GET",
    f"/api/auth/sessions/{'A' * 22}/": "DELETE",
    "/api/auth/password/": "POST",
}
RESET = "/api/auth/password/reset/"
METHODS = {path: "POST" for paths in POSTS.values() for path in paths} | GUARDED | {RESET: "POST"}
PATHS = [variant for path in METHODS for variant in (path, path.rstrip("/"))]
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


def both_ways(name: str) -> list[str]:
    return [variant for path in POSTS[name] for variant in (path, path.rstrip("/"))]


def times(value: Any) -> Iterator[Any]:
    """Yield every time of an answer, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.endswith("_at") and inner is not None:
                yield inner
            yield from times(inner)
    if isinstance(value, list):
        for inner in value:
            yield from times(inner)


def checked(response: TestResponse, shape: type[ma.Schema], status: int = 200) -> dict[str, Any]:
    """Return the answer after holding it against its documented shape."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    answer: dict[str, Any] = response.get_json()
    assert shape(unknown=ma.RAISE).validate(answer) == {}
    assert all(RFC3339.match(at) for at in times(answer)), answer
    return answer


@pytest.mark.parametrize("path", both_ways("login"))
def test_login_answers_with_the_documented_shape(
    path: str, auth: Auth, client: FlaskClient
) -> None:
    user = auth.create_user(unit="Ward 7")
    answer = checked(client.post(path, json=CREDENTIALS), schemas.TokenPairShape)
    assert answer["expires_in"] == 900
    assert answer["user"] == {
        "id": user.id, "email": EMAIL, "name": "Nurse", "user_type": "nurse", "unit": "Ward 7",
    }  # fmt: skip
    session = answer["session"]
    assert session["profile"] == "standard"
    assert session["shift"] is None
    assert session["idle_timeout_seconds"] == 0
    assert answer["refresh_expires_at"] == session["expires_at"]


@pytest.mark.parametrize("path", both_ways("refresh"))
def test_refresh_answers_with_the_documented_shape(
    path: str, auth: Auth, client: FlaskClient
) -> None:
    auth.create_user()
    first = auth.tokens()
    answer = checked(client.post(path, json={"refresh": first["refresh"]}), schemas.RefreshedShape)
    assert answer["reissued"] is False
    assert answer["session"] == first["session"]
    assert answer["user"] == first["user"]


@pytest.mark.parametrize("path", both_ways("logout"))
def test_logout_answers_with_the_documented_message(
    path: str, auth: Auth, client: FlaskClient
) -> None:
    auth.create_user()
    refresh = auth.tokens()["refresh"]
    for _ in range(2):
        response = client.post(path, json={"refresh": refresh})
        assert checked(response, schemas.MessageShape) == {"message": "Logout successful"}
    garbage = client.post(path, json={"refresh": "garbage"})
    assert garbage.status_code == 400
    assert garbage.get_json()["error"] == "Invalid token"


@pytest.mark.parametrize("path", both_ways("verify"))
def test_verify_says_yes_with_nothing_and_no_with_401(
    path: str, auth: Auth, client: FlaskClient
) -> None:
    auth.create_user()
    pair = auth.tokens()
    for token in (pair["access"], pair["refresh"]):
        assert checked(client.post(path, json={"token": token}), ma.Schema) == {}
    assert client.post(path, json={"token": "garbage"}).status_code == 401
    auth.logout(pair["refresh"])
    for token in (pair["access"], pair["refresh"]):
        assert client.post(path, json={"token": token}).get_json()["reason"] == "revoked"


def test_verify_changes_nothing(auth: Auth) -> None:
    auth.create_user()
    refresh = auth.tokens()["refresh"]
    assert [auth.verify(refresh).status_code for _ in range(3)] == [200] * 3
    assert auth.refresh(refresh).get_json()["reissued"] is False


def test_logout_all_tells_how_many_sessions_it_ended(auth: Auth) -> None:
    auth.create_user()
    tokens = [auth.tokens() for _ in range(3)]
    answer = checked(auth.logout_all(tokens[0]["access"]), schemas.LogoutAllShape)
    assert answer["sessions_ended"] == 3


def test_me_shows_user_session_and_seconds_left(auth: Auth) -> None:
    auth.create_user()
    pair = auth.tokens()
    answer = checked(auth.me(pair["access"]), schemas.MeShape)
    assert answer["user"] == pair["user"]
    assert answer["session"] == pair["session"]
    left = answer["seconds_left"]
    assert (left["idle"], left["shift"]) == (None, None)
    assert 12 * 3600 - 60 < left["absolute"] <= 12 * 3600


def test_me_counts_down_to_idle_where_idle_is_on(auth: Auth) -> None:
    auth.create_user(unit="ICU", profile="high_security")
    answer = checked(auth.me(auth.tokens()["access"]), schemas.MeShape)
    assert 16 * 60 - 30 < answer["seconds_left"]["idle"] <= 16 * 60


def test_the_list_shows_own_sessions_and_why_others_ended(auth: Auth) -> None:
    auth.create_user()
    auth.create_user("other@ward.example")
    auth.tokens("other@ward.example")
    gone = auth.tokens(device_name="Tablet 3")
    auth.logout(gone["refresh"])
    mine = auth.tokens()
    answer = checked(auth.get("/api/auth/sessions/", mine["access"]), schemas.OwnSessionsShape)
    assert [item["id"] for item in answer["items"]] == [
        mine["session"]["id"],
        gone["session"]["id"],
    ]
    assert [item["current"] for item in answer["items"]] == [True, False]
    assert answer["items"][1]["end_reason"] == "logged_out"
    assert answer["items"][1]["device_name"] == "Tablet 3"
    assert (answer["total"], answer["page"], answer["page_size"]) == (2, 1, 50)


def test_the_list_comes_in_pages(auth: Auth) -> None:
    auth.create_user()
    pairs = [auth.tokens() for _ in range(3)]
    access = pairs[0]["access"]
    page = auth.get("/api/auth/sessions/?page=2&page_size=2", access).get_json()
    assert (len(page["items"]), page["total"], page["page"]) == (1, 3, 2)
    for query in ("page=0", "page=x", "page_size=201", "page=1.5", "page=" + "9" * 5000):
        refused = auth.get(f"/api/auth/sessions/?{query}", access)
        assert refused.status_code == 422, query


def test_a_user_ends_one_own_session(auth: Auth, client: FlaskClient) -> None:
    auth.create_user()
    mine, other = auth.tokens(), auth.tokens()
    path = f"/api/auth/sessions/{other['session']['id']}/"
    checked(client.delete(path, headers=bearer(mine["access"])), schemas.MessageShape)
    assert auth.me(other["access"]).get_json()["reason"] == "revoked"
    assert auth.me(mine["access"]).status_code == 200
    assert client.delete(path, headers=bearer(mine["access"])).status_code == 404


def test_nobody_ends_the_session_of_somebody_else(auth: Auth, client: FlaskClient) -> None:
    auth.create_user()
    auth.create_user("other@ward.example")
    mine, theirs = auth.tokens(), auth.tokens("other@ward.example")
    path = f"/api/auth/sessions/{theirs['session']['id']}/"
    assert client.delete(path, headers=bearer(mine["access"])).status_code == 404
    assert auth.me(theirs["access"]).status_code == 200


@pytest.mark.parametrize("sid", ["A" * 21, "A" * 23, "A" * 21 + "%2F", "A" * 21 + "é", "1"])
def test_an_id_that_can_be_none_is_not_found(sid: str, auth: Auth, client: FlaskClient) -> None:
    auth.create_user()
    access = auth.tokens()["access"]
    assert client.delete(f"/api/auth/sessions/{sid}/", headers=bearer(access)).status_code == 404


def test_a_password_change_answers_with_the_documented_shape(auth: Auth) -> None:
    auth.create_user()
    body = {"current_password": PASSWORD, "new_password": "seven umbrellas on the quay"}
    response = auth.post("password", body, access=auth.tokens()["access"])
    checked(response, schemas.PasswordChangedShape)


@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_405_with_allow_and_never_a_redirect(
    path: str, client: FlaskClient
) -> None:
    right = METHODS[path.rstrip("/") + "/"]
    wrong = next(method for method in ("GET", "POST") if method != right)
    for method in (wrong, "PUT", "PATCH", "TRACE"):
        response = client.open(path, method=method)
        assert response.status_code == 405, method
        assert right in response.headers["Allow"]
        assert response.get_json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_with_and_without_its_slash(path: str, client: FlaskClient) -> None:
    response = client.open(path, method=METHODS[path.rstrip("/") + "/"])
    assert response.status_code in (401, 422)
    assert "Location" not in response.headers


@pytest.mark.parametrize("path", GUARDED)
def test_a_guarded_route_without_a_token_is_a_bare_challenge(
    path: str, client: FlaskClient
) -> None:
    for variant in (path, path.rstrip("/")):
        response = client.open(variant, method=METHODS[path])
        assert response.status_code == 401
        assert response.get_json()["code"] == "not_authenticated"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="carelink"'


@pytest.mark.parametrize("path", ["/api/auth//login/", "//api/auth/login/", "/api//auth/login"])
def test_doubled_slashes_are_not_found(path: str, client: FlaskClient) -> None:
    assert client.post(path, json=CREDENTIALS, base_url="http://localhost").status_code == 404


@pytest.mark.parametrize("path", ["//api/auth/me", "///api/auth/sessions", ""])
def test_slashes_at_the_start_lead_to_no_redirect_to_another_host(
    path: str, client: FlaskClient
) -> None:
    raw = {"PATH_INFO": path, "HTTP_HOST": "evil.example", "HTTP_ORIGIN": "http://localhost:3000"}
    response = client.get("/", environ_overrides=raw)
    assert response.status_code in (200, 401)
    assert "Location" not in response.headers
    if path:
        assert response.headers["Vary"] == "Origin"


def test_an_unknown_path_is_not_found(client: FlaskClient) -> None:
    for path in ("/api/auth/nothing", "/api/", "/api/auth/login/extra/", "/nothing"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.get_json()["code"] == "not_found"


def test_credentials_in_the_address_are_ignored(auth: Auth, client: FlaskClient) -> None:
    auth.create_user()
    access = auth.tokens()["access"]
    for name in ("access_token", "jwt", "token", "Authorization"):
        response = client.get(f"/api/auth/me/?{name}={access}")
        assert response.get_json()["code"] == "not_authenticated"
    response = client.post(f"/api/auth/login/?email={EMAIL}&password={PASSWORD}")
    assert response.status_code == 422
