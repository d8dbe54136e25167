"""What somebody else has written to our keys in Redis."""

import pytest
import redis

from carelink_api.sessions.denylist import session_key
from tests.auth_helper import Auth

pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.mark.parametrize("value", [b"\xff\xfe:1", b"", b":", b"nonsense", b"x" * 100_000])
def test_a_value_that_none_of_us_wrote_refuses_like_any_other(
    auth: Auth, redis_client: redis.Redis, value: bytes
) -> None:
    auth.create_user()
    granted = auth.tokens()
    redis_client.set(session_key(granted["session"]["id"]), value)
    refused = auth.me(granted["access"])
    assert (refused.status_code, refused.get_json()["reason"]) == (401, "revoked")


def test_a_key_of_another_kind_throws_nobody_out(auth: Auth, redis_client: redis.Redis) -> None:
    auth.create_user()
    granted = auth.tokens()
    redis_client.hset(session_key(granted["session"]["id"]), "a", "b")
    assert auth.me(granted["access"]).status_code == 200
    assert auth.logout(granted["refresh"]).status_code == 200
    assert auth.me(granted["access"]).status_code == 401
