"""A browser as far as cookies go: what it keeps of an answer, and what it sends along."""

from http.cookies import SimpleCookie
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from carelink_api.auth.cookies import CSRF, REFRESH
from tests.auth_helper import EMAIL, PASSWORD, bearer

OWN = "http://localhost"
"""The origin of a page that the test client's service has served itself."""


class Browser:
    """One browser at one service. It sends every cookie that it has, as browsers do."""

    def __init__(self, client: FlaskClient, origin: str | None = OWN) -> None:
        self.client = client
        self.origin = origin
        self.jar: dict[str, str] = {}

    @property
    def csrf(self) -> str:
        """What a page reads out of the cookie that it may read."""
        return self.jar[CSRF]

    def login(self, email: str = EMAIL, password: str = PASSWORD, **body: Any) -> TestResponse:
        given = {"email": email, "password": password, "transport": "cookie"}
        return self.send("login", given | body)

    def logged_in(self, email: str = EMAIL, **body: Any) -> dict[str, Any]:
        """Log in, which must succeed, and return the answer's body."""
        response = self.login(email, **body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.get_json()
        return answer

    def refresh(self, **options: Any) -> TestResponse:
        """Refresh as a page of the session does."""
        return self.send("refresh", **({"csrf": self.jar.get(CSRF)} | options))

    def logout(self, **options: Any) -> TestResponse:
        return self.send("logout", **({"csrf": self.jar.get(CSRF)} | options))

    def send(
        self,
        route: str,
        body: Any = None,
        *,
        csrf: str | None = None,
        access: str | None = None,
        cookies: str | None = None,
        path: str | None = None,
        method: str = "POST",
        **headers: str,
    ) -> TestResponse:
        """Send a request with all cookies, or with a `Cookie` header of the test's own making."""
        given = dict(headers)
        if self.origin is not None:
            given["Origin"] = self.origin
        if csrf is not None:
            given["X-CareLink-CSRF"] = csrf
        if access is not None:
            given |= bearer(access)
        if (sent := self.header() if cookies is None else cookies) != "":
            given["Cookie"] = sent
        options = {} if body is None else {"json": body}
        where = path or f"/api/auth/{route}/"
        response = self.client.open(where, method=method, headers=given, **options)
        if cookies is None:
            self.keep(response)
        return response

    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.jar.items())

    def keep(self, response: TestResponse) -> None:
        """Take in the answer's cookies, and forget what it lets expire."""
        for name, morsel in set_cookies(response).items():
            if morsel["max-age"] == "0":
                self.jar.pop(name, None)
            else:
                self.jar[name] = morsel.value


def set_cookies(response: TestResponse) -> SimpleCookie:
    """Return the cookies that an answer sets."""
    found = SimpleCookie()
    for header in response.headers.getlist("Set-Cookie"):
        found.load(header)
    return found


def are_cleared(response: TestResponse) -> bool:
    """Say whether the answer makes the browser forget both cookies, and sets nothing."""
    found = set_cookies(response)
    return set(found) == {REFRESH, CSRF} and all(
        (each.value, each["max-age"]) == ("", "0") for each in found.values()
    )
