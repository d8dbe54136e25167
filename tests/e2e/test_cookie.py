"""A browser without pages at a real server: cookies in, cookies out, over the wire."""

import time
from collections import Counter
from functools import partial
from http.cookies import SimpleCookie

import httpx

from carelink_api.auth.cookies import CSRF, REFRESH
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account, Auth
from tests.conftest import MakeServer
from tests.e2e.clients import (
    Api,
    all_at_once,
    claims_of,
    granted,
    refused,
    refused_in_time,
    speaking_to,
)
from tests.servers import ApiServer

pytestmark = SQLITE
TABS = 12


class Tab:
    """One tab: it sends the jar as it is now, and may lose the answer."""

    def __init__(self, api: Api, server: ApiServer, jar: dict[str, str]) -> None:
        self.http, self.origin, self.jar = api.http, server.url, jar

    def login(self, account: Account) -> httpx.Response:
        body = {"email": account.email, "password": account.password, "transport": "cookie"}
        headers = {"Origin": self.origin}
        return self._keep(self.http.post("/api/auth/login/", json=body, headers=headers))

    def send(self, route: str, *, answer_is_lost: bool = False) -> httpx.Response:
        headers = {"Origin": self.origin, "X-CareLink-CSRF": self.jar.get(CSRF, "")}
        cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = self.http.post(f"/api/auth/{route}/", headers=headers | {"Cookie": cookie})
        return answer if answer_is_lost else self._keep(answer)

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        for header in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                self.jar[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.jar[name]
        self.http.cookies.clear()  # the jar alone says what is sent
        return answer


def test_a_session_lives_in_a_cookie_through_a_lost_answer_and_many_tabs(
    auth: Auth, api_server: MakeServer
) -> None:
    account, server, jar = auth.create_user(), api_server(workers=2), dict[str, str]()
    with speaking_to(server) as api:
        tab = Tab(api, server, jar)
        answers = [granted(tab.login(account))]
        first = jar[REFRESH]

        lost = granted(tab.send("refresh", answer_is_lost=True))
        assert not lost["reissued"]
        assert jar[REFRESH] == first
        answers += [lost, granted(tab.send("refresh"))]
        assert answers[-1]["reissued"]
        assert claims_of(jar[REFRESH])["gen"] == 2
        assert api.me(answers[-1]["access"]).status_code == 200

        granted(tab.login(account))  # whose token is old enough to be rotated
        tabs = [Tab(api, server, dict(jar)) for _ in range(TABS)]
        answers += [granted(it) for it in all_at_once([partial(it.send, "refresh") for it in tabs])]
        children = [claims_of(it.jar[REFRESH]) for it in tabs]
        assert {child["gen"] for child in children} == {2}
        assert len({child["jti"] for child in children}) == 1
        assert Counter(it["reissued"] for it in answers[-TABS:]) == {False: 1, True: TABS - 1}
        jar |= tabs[0].jar

        held = dict(jar)
        assert tab.send("logout").headers["Clear-Site-Data"] == '"cache"'
        ended_at = time.monotonic()
        assert jar == {}
        assert refused_in_time(partial(api.me, answers[-1]["access"]), ended_at) == "revoked"
        assert refused(Tab(api, server, dict(held)).send("refresh")) == "revoked"

    log, tokens = server.log(), [first, held[REFRESH], held[CSRF]]
    for secret in tokens + [answer["access"] for answer in answers]:
        assert secret not in log
    assert all("refresh" not in answer for answer in answers)


def test_two_lines_of_cookies_are_two_tokens(auth: Auth, api_server: MakeServer) -> None:
    """What a proxy or a server makes of two `Cookie` lines must never be one good token."""
    account, server = auth.create_user(), api_server(workers=1)
    with speaking_to(server) as api:
        mine, theirs = (Tab(api, server, {}) for _ in range(2))
        for tab in (mine, theirs):
            granted(tab.login(account))
        lines = [("Cookie", f"{REFRESH}={tab.jar[REFRESH]}") for tab in (mine, theirs)]
        for tab in (mine, theirs):
            proof = [("Origin", server.url), ("X-CareLink-CSRF", tab.jar[CSRF])]
            for order in (lines, lines[::-1]):
                answer = api.http.post("/api/auth/refresh/", headers=[*order, *proof])
                assert answer.status_code in (400, 401), answer.text
        for tab in (mine, theirs):
            assert granted(tab.send("refresh"))["reissued"] is False
