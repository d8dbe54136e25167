"""A forgotten password: one code, once, for an hour, and nothing else learns anything by it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api import clock
from carelink_api.accounts.codes import MAX_REFUSALS
from carelink_api.accounts.models import OneTimeCode, User
from carelink_api.accounts.one_time import make_code
from carelink_api.accounts.passwords import NO_PASSWORD
from carelink_api.extensions import db
from carelink_api.sessions.accounts import disable_user, enable_user
from tests.auth.helpers import SQLITE, events, outside, refused_with
from tests.auth.test_refused_login import Counting
from tests.auth.test_refused_login import counting as counting
from tests.auth_helper import EMAIL, PASSWORD, Account, Auth
from tests.conftest import MakeApp, Travel

NEW = "seven umbrellas on the quay"
WRONG = "0000-0000-0000-0000"


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user()


@pytest.fixture
def code(auth: Auth, nurse: Account) -> str:
    return made(auth.app, nurse)


def made(app: Flask, account: Account) -> str:
    with app.app_context():
        issued = make_code(
            db.session(), account.id, now=clock.now(), actor="user:1", why="Badge seen"
        )
        return issued.text


def reset(auth: Auth, code: str, new: str = NEW, email: str = EMAIL) -> TestResponse:
    return auth.post("password/reset", {"email": email, "code": code, "new_password": new})


def test_a_code_sets_the_password_ends_every_session_and_lifts_the_block(
    auth: Auth, nurse: Account, code: str, sql: Sql
) -> None:
    before = auth.tokens()
    sql.execute(update(User).values(failed_logins=100, must_change_password=True))
    sql.commit()
    answer = reset(auth, code)
    assert (answer.status_code, answer.get_json()["sessions_ended"]) == (200, 1)
    assert refused_with(auth.me(before["access"]), "revoked")
    assert auth.login(password=PASSWORD).status_code == 401
    assert auth.login(password=NEW).status_code == 200


def test_the_trail_says_who_made_it_how_they_knew_and_what_became_of_it(
    auth: Auth, nurse: Account, code: str, sql: Sql
) -> None:
    reset(auth, WRONG)
    reset(auth, code)
    reset(auth, code)
    found = events(sql, "user:code_made", "user:code_refused", "user:code_used",
                   "user:password_changed")  # fmt: skip
    assert [(each.event, each.reason) for each in found] == [
        ("user:code_made", None),
        ("user:code_refused", "wrong_code"),
        ("user:code_used", None),
        ("user:password_changed", None),
        ("user:code_refused", "no_code"),
    ]
    assert found[0].actor == "user:1"
    assert found[0].detail == {"why": "Badge seen", "minutes": 60}
    assert {each.user_id for each in found} == {nurse.id}
    assert code not in str([each.detail for each in found])


def test_only_a_hash_of_it_is_stored(auth: Auth, code: str, sql: Sql) -> None:
    row = sql.scalars(select(OneTimeCode)).one()
    assert code not in row.code_hash
    assert code.replace("-", "") not in row.code_hash


def test_the_way_it_is_typed_does_not_matter(auth: Auth, code: str) -> None:
    assert reset(auth, code.lower().replace("-", " ").replace("0", "o")).status_code == 200


def test_a_new_code_makes_the_former_one_void(auth: Auth, nurse: Account, code: str) -> None:
    second = made(auth.app, nurse)
    assert reset(auth, code).status_code == 401
    assert reset(auth, second).status_code == 200


def test_a_code_of_another_account_opens_nothing(auth: Auth, code: str) -> None:
    auth.create_user("other@ward.example")
    assert reset(auth, code, email="other@ward.example").status_code == 401


def test_a_weak_password_is_told_with_reasons_and_leaves_the_code(auth: Auth, code: str) -> None:
    answer = reset(auth, code, "violin canal")
    assert answer.status_code == 422
    assert answer.get_json()["errors"]["new_password"] == ["Has fewer than 15 characters."]
    assert reset(auth, WRONG, "violin canal").status_code == 401  # who has no code learns no rule
    assert reset(auth, code).status_code == 200


def test_it_expires(auth: Auth, code: str, travel: Travel, sql: Sql) -> None:
    travel(60 * 60 + 1)
    assert reset(auth, code).status_code == 401
    assert events(sql)[-1].reason == "expired_code"


def test_after_a_hundred_wrong_ones_the_right_one_is_none_either(
    auth: Auth, code: str, sql: Sql
) -> None:
    sql.execute(update(OneTimeCode).values(refusals=MAX_REFUSALS - 1))
    sql.commit()
    assert reset(auth, WRONG).status_code == 401
    assert reset(auth, code).status_code == 401
    assert events(sql)[-1].reason == "too_many_refusals"


def test_disabling_makes_it_void_for_good(auth: Auth, nurse: Account, code: str) -> None:
    with auth.app.app_context():
        disable_user(db.session(), nurse.id, now=clock.now(), actor="cli")
        enable_user(db.session(), nurse.id, now=clock.now(), actor="cli")
    assert reset(auth, code).status_code == 401


def test_changing_the_password_makes_it_void(auth: Auth, code: str) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert auth.post("password", body, access=auth.tokens()["access"]).status_code == 200
    assert reset(auth, code, "another harbour in the thaw").status_code == 401


def test_a_changed_secret_honours_the_codes_of_the_former_one(
    auth: Auth, code: str, make_app: MakeApp
) -> None:
    former = auth.app.extensions["carelink.settings"].jwt_secret_key.get_secret_value()
    secret = "Yk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x"
    assert reset(Auth(make_app(jwt_secret_key=secret)), code).status_code == 401
    kept = make_app(jwt_secret_key=secret, jwt_verifying_secrets=[former])
    assert reset(Auth(kept), code).status_code == 200


REFUSED: dict[str, dict[str, Any]] = {
    "unknown": {"email": "nobody@ward.example"},
    "no address": {"email": "\u200b"},
    "wrong": {"code": WRONG},
    "empty": {"code": "-"},
    "half a character": {"code": "\U0001f600"},
    "no code": {"email": "codeless@ward.example"},
    "disabled": {"email": "disabled@ward.example"},
    "expired": {"email": "expired@ward.example"},
}


@pytest.fixture
def all_kinds(auth: Auth, code: str, sql: Sql) -> dict[str, str]:
    """A code for each kind of account, and the right one for every body."""
    auth.create_user("codeless@ward.example")
    codes = {}
    for email in ("disabled@ward.example", "expired@ward.example"):
        codes[email] = made(auth.app, auth.create_user(email))
    gone = select(User.id).where(User.email == "disabled@ward.example").scalar_subquery()
    late = select(User.id).where(User.email == "expired@ward.example").scalar_subquery()
    past = clock.now() - timedelta(seconds=1)
    sql.execute(update(User).where(User.id == gone).values(disabled_at=past))
    sql.execute(update(OneTimeCode).where(OneTimeCode.user_id == late).values(expires_at=past))
    sql.commit()
    return codes


def test_every_refusal_looks_and_costs_the_same_and_as_a_login_does(
    auth: Auth, code: str, all_kinds: dict[str, str], counting: Counting
) -> None:
    login = outside(auth.login(password="not the password"))
    for name, body in REFUSED.items():
        right = all_kinds.get(body.get("email", EMAIL), code)
        counting.count = 0
        whole = {"email": EMAIL, "code": right, "new_password": NEW} | body
        assert outside(auth.post("password/reset", whole)) == login, name
        assert counting.count == 1, name
    assert reset(auth, code).status_code == 200


@SQLITE
@pytest.mark.settings(ratelimit_enabled=True)
def test_it_counts_towards_the_limits_of_the_login(auth: Auth, code: str) -> None:
    for _ in range(3):
        assert reset(auth, WRONG).status_code == 401
    for _ in range(2):
        assert auth.login(password="not the password").status_code == 401
    refused = reset(auth, code)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "throttled")
    assert auth.login().status_code == 429


def test_of_two_who_use_it_at_once_one_wins(
    auth: Auth, nurse: Account, code: str, sql: Sql
) -> None:
    choices = [f"harbour number {n} before the thaw" for n in range(4)]
    with ThreadPoolExecutor(len(choices)) as pool:
        answers = list(pool.map(lambda new: reset(Auth(auth.app), code, new), choices))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 401, 401, 401]
    won = choices[statuses.index(200)]
    assert auth.login(password=won).status_code == 200
    assert len(events(sql, "user:code_used")) == 1


def test_a_disabled_account_stays_closed_whoever_comes_first(
    auth: Auth, nurse: Account, code: str, sql: Sql
) -> None:
    def disable() -> None:
        with auth.app.app_context():
            disable_user(db.session(), nurse.id, now=clock.now(), actor="cli")

    with ThreadPoolExecutor(2) as pool:
        used, gone = pool.submit(reset, Auth(auth.app), code), pool.submit(disable)
        gone.result(20)
        assert used.result(20).status_code in (200, 401)
    assert auth.login(password=NEW).status_code == 401
    assert auth.login().status_code == 401
    assert sql.scalars(select(OneTimeCode)).all() == []


def test_a_login_in_flight_with_the_former_password_does_not_survive(
    auth: Auth, code: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = auth.app.extensions["carelink.passwords"]
    verify = hasher.verify

    def verify_slowly(password_hash: str | None, password: str) -> bool:
        right = bool(verify(password_hash, password))
        assert reset(Auth(auth.app), code).status_code == 200
        return right

    monkeypatch.setattr(hasher, "verify", verify_slowly)
    assert auth.login(password=PASSWORD).status_code == 401
    assert events(sql)[-1].reason == "changed_meanwhile"


def test_an_account_without_a_password_refuses_every_one_and_logs_no_fault(
    auth: Auth, nurse: Account, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    sql.execute(update(User).values(password_hash=NO_PASSWORD))
    sql.commit()
    for password in (PASSWORD, NO_PASSWORD, "!"):
        assert auth.login(password=password).status_code == 401
    assert "password_hash_corrupt" not in caplog.text
    assert reset(auth, made(auth.app, nurse)).status_code == 200
    assert auth.login(password=NEW).status_code == 200
