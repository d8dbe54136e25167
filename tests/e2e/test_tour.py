"""The newcomer's tour: what `make run` starts, seen from log-in to the revoked token in Redis."""

from pathlib import Path

import httpx

from carelink_api import embedded, redis_client
from carelink_api.ops.demo import LOGINS
from carelink_api.sessions.denylist import session_key, token_key
from tests.auth_helper import Account, bearer
from tests.e2e.clients import Api, claims_of, granted, refused
from tests.test_development import Run
from tests.test_development import clone as clone  # a fixture

LEEWAY_AND_A_MINUTE = 10 + 60


def demo_account(user_type: str) -> Account:
    login = next(login for login in LOGINS if login.user_type == user_type)
    return Account(0, login.email, login.password, user_type)


def expiry(client: redis_client.Client, key: str) -> int:
    at = client.expiretime(key)
    assert isinstance(at, int)
    return at


def test_a_newcomer_sees_the_revoked_token_in_redis_with_its_expiry(clone: Path) -> None:
    with Run(clone) as run, httpx.Client(base_url=f"http://127.0.0.1:{run.port}") as http:
        api = Api(http)
        first = api.tokens(demo_account("doctor"))
        pair = granted(api.refresh(first["refresh"]))
        page = granted(http.get("/api/appointments/", headers=bearer(pair["access"])))
        assert page["total"] > 0
        granted(api.logout(pair["refresh"]))
        assert refused(api.me(pair["access"])) == "revoked"

        claims = claims_of(pair["refresh"])
        client = redis_client.build(embedded.url_of(embedded.socket_path(clone / "instance")))
        with client:
            for key in (
                session_key(claims["sid"]),
                token_key(claims["sid"], claims["jti"]),
                token_key(claims["sid"], claims_of(first["refresh"])["jti"]),
            ):
                assert 0 <= expiry(client, key) - claims["exp"] - LEEWAY_AND_A_MINUTE <= 1
