"""Accounts by the API: for administrators, never their own, and without passwords."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.accounts.models import OneTimeCode, User, UserType
from carelink_api.accounts.passwords import PasswordHasher
from tests.auth.helpers import SQLITE, events, refused_with
from tests.auth_helper import EMAIL, PASSWORD, Account, Auth, bearer
from tests.conftest import Travel

NEW = "seven umbrellas on the quay"
WHY = "Moved to another ward"
ADMIN = "noor@admin.example"


class Administrator:
    """Somebody of user type `admin` who has just logged in."""

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self.account = auth.create_user(ADMIN, "admin")
        self.tokens = auth.tokens(ADMIN)

    def call(self, method: str, path: str = "", body: Any = None) -> TestResponse:
        options = {} if body is None else {"json": body}
        path = f"/api/accounts/{path}"
        headers = bearer(self.tokens["access"])
        return self.auth.client.open(path, method=method, headers=headers, **options)

    def post(self, path: str = "", **body: Any) -> TestResponse:
        return self.call("POST", path, body)

    def found(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.call("GET", query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.get_json()["items"]
        return items


@pytest.fixture
def noor(auth: Auth) -> Administrator:
    return Administrator(auth)


@pytest.fixture
def nurse(auth: Auth) -> Account:
    return auth.create_user(unit="Ward 7")


def test_a_new_account_has_no_password_and_its_code_gives_it_one(
    noor: Administrator, auth: Auth, sql: Sql
) -> None:
    person = {"email": "Li@ward.example", "name": "Li Wei", "user_type": "doctor"}
    made = noor.post(**person, reason="Begins on Monday")
    assert made.status_code == 201
    account = made.get_json()
    assert (account["email"], account["password_state"]) == ("li@ward.example", "none")
    assert noor.post(**person, reason="Begins on Monday").get_json()["code"] == "email_taken"
    code = noor.post(f"{account['id']}/code/", identity="Passport seen").get_json()
    assert noor.call("GET", f"{account['id']}/").get_json()["code_expires_at"] == code["expires_at"]
    body = {"email": "li@ward.example", "code": code["code"], "new_password": NEW}
    assert auth.post("password/reset", body).status_code == 200
    assert auth.login("li@ward.example", NEW).status_code == 200
    created, made_code = events(sql, "user:created", "user:code_made")
    assert {created.actor, made_code.actor} == {f"user:{noor.account.id}"}
    assert created.detail["why"] == "Begins on Monday"
    assert made_code.detail["why"] == "Passport seen"


def test_the_list_is_searched_paged_and_audited_and_holds_no_password(
    noor: Administrator, auth: Auth, nurse: Account, sql: Sql
) -> None:
    auth.create_user("cleo@home.example", "patient", name="Cleo Marsh")
    assert {each["email"] for each in noor.found()} == {ADMIN, EMAIL, "cleo@home.example"}
    assert [each["email"] for each in noor.found("?q=MARSH")] == ["cleo@home.example"]
    assert noor.found("?q=%25") == []
    (found,) = noor.found("?user_type=nurse&state=enabled")
    assert noor.found("?state=disabled") == []
    assert noor.call("GET", "?state=other").status_code == 422
    assert found["unit"]["name"] == "Ward 7"
    assert noor.found(f"?unit_id={found['unit']['id']}") == [found]
    page = noor.call("GET", "?page=2&page_size=2").get_json()
    assert (len(page["items"]), page["total"]) == (1, 3)
    assert "argon2" not in str(page)
    listed = events(sql, "user:listed")
    assert [each.detail["by"] for each in listed][1:3] == [["q"], ["q"]]
    assert "MARSH" not in str([each.detail for each in listed])


def test_a_change_names_what_changed_and_ends_the_sessions_by_the_rule(
    noor: Administrator, auth: Auth, nurse: Account, sql: Sql
) -> None:
    access = auth.tokens()["access"]
    path = f"{nurse.id}/"
    named = noor.call("PATCH", path, {"name": "Anna Berg", "reason": "Married"}).get_json()
    assert (named["name"], named["sessions_ended"]) == ("Anna Berg", 0)
    assert auth.me(access).status_code == 200
    moved = noor.call("PATCH", path, {"unit_id": None, "user_type": "doctor", "reason": WHY})
    assert (moved.get_json()["unit"], moved.get_json()["sessions_ended"]) == (None, 1)
    assert refused_with(auth.me(access), "revoked")
    changed = [each.detail for each in events(sql, "user:changed")]
    assert changed[1] == {"changed": ["unit_id", "user_type"], "why": WHY}


def test_disabling_ends_the_sessions_and_enabling_lets_in_again(
    noor: Administrator, auth: Auth, nurse: Account
) -> None:
    access = auth.tokens()["access"]
    gone = noor.post(f"{nurse.id}/disable/", reason="Left").get_json()
    assert (gone["state"], gone["sessions_ended"]) == ("disabled", 1)
    assert refused_with(auth.me(access), "user_disabled")
    no_code = noor.post(f"{nurse.id}/code/", identity="Badge seen")
    assert (no_code.status_code, no_code.get_json()["code"]) == (409, "account_disabled")
    assert noor.post(f"{nurse.id}/enable/", reason="Back").get_json()["state"] == "enabled"
    assert auth.login().status_code == 200


ACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("PATCH", "", {"name": "Other", "reason": WHY}),
    ("POST", "disable/", {"reason": WHY}),
    ("POST", "enable/", {"reason": WHY}),
    ("POST", "code/", {"identity": "Badge seen"}),
]


@SQLITE
@pytest.mark.parametrize("user_type", ["admin", "ops"])
def test_no_administrators_or_operators_account_is_touched_nor_ones_own(
    noor: Administrator, auth: Auth, sql: Sql, user_type: str
) -> None:
    other = auth.create_user("other@x.example", user_type)
    for method, act, body in ACTS:
        for account in (other, noor.account):
            answer = noor.call(method, f"{account.id}/{act}", body)
            assert answer.get_json()["code"] == "not_administered", act
        assert noor.call(method, f"{account.id + 1000}/{act}", body).status_code == 404
    refused = events(sql, "operation:refused")
    assert {(each.reason, each.actor) for each in refused} == {
        ("not_administered", f"user:{noor.account.id}")
    }
    made = noor.post(email="new@x.example", name="N", user_type=user_type, reason=WHY)
    assert made.status_code == 422
    nurse = auth.create_user()
    raised = noor.call("PATCH", f"{nurse.id}/", {"user_type": user_type, "reason": WHY})
    assert raised.status_code == 422
    assert sql.scalars(select(OneTimeCode)).all() == []


@SQLITE
@pytest.mark.parametrize("user_type", [each for each in UserType if each is not UserType.ADMIN])
def test_nobody_else_sees_or_changes_an_account(auth: Auth, sql: Sql, user_type: str) -> None:
    noor = Administrator(auth)
    target = auth.create_user("target@ward.example")
    auth.create_user("other@x.example", user_type)
    noor.tokens = auth.tokens("other@x.example")
    calls = [("GET", "", None), ("GET", f"{target.id}/", None),
             *((method, f"{target.id}/{act}", body) for method, act, body in ACTS)]  # fmt: skip
    for method, path, body in calls:
        assert noor.call(method, path, body).get_json()["code"] == "forbidden", path
    made = noor.post(email="new@x.example", name="N", user_type="nurse", reason=WHY)
    assert made.status_code == 403
    assert len(events(sql, "operation:refused")) == len(calls) + 1


@SQLITE
def test_every_act_needs_the_credential_and_a_reason(
    noor: Administrator, auth: Auth, nurse: Account, travel: Travel, sql: Sql
) -> None:
    travel(301)
    create = {"email": "new@x.example", "name": "N", "user_type": "nurse", "reason": WHY}
    for method, path, body in [
        *((method, f"{nurse.id}/{act}", body) for method, act, body in ACTS),
        ("POST", "", create),
    ]:
        stale = noor.call(method, path, body)
        assert stale.get_json()["code"] == "insufficient_user_authentication", path
        wrong = noor.call(method, path, body | {"password": "not the password"})
        assert wrong.get_json()["code"] == "invalid_credentials", path
        why = "identity" if "identity" in body else "reason"
        silent = noor.call(method, path, {k: v for k, v in body.items() if k != why})
        assert why in silent.get_json()["errors"], path
    good = noor.post(f"{nurse.id}/code/", identity="Badge seen", password=PASSWORD)
    assert good.status_code == 201


@SQLITE
def test_no_body_takes_a_password_for_somebody_else(noor: Administrator, nurse: Account) -> None:
    for member in ("new_password", "password_hash", "must_change_password"):
        answer = noor.call("PATCH", f"{nurse.id}/", {"name": "N", "reason": WHY, member: NEW})
        assert member in answer.get_json()["errors"]
    assert noor.call("PATCH", f"{nurse.id}/", {"reason": WHY}).status_code == 422
    assert noor.call("PATCH", f"{nurse.id}/", {"unit_id": 99, "reason": WHY}).status_code == 422


def test_who_becomes_an_operator_keeps_no_code(
    noor: Administrator, auth: Auth, nurse: Account, sql: Sql
) -> None:
    code = noor.post(f"{nurse.id}/code/", identity="Badge seen").get_json()["code"]
    runner = auth.app.test_cli_runner()
    runner.invoke(args=["users", "change", EMAIL, "--user-type", "ops", "--yes"])
    body = {"email": EMAIL, "code": code, "new_password": NEW}
    assert auth.post("password/reset", body).status_code == 401
    assert sql.scalars(select(User.user_type).where(User.email == EMAIL)).one() == "ops"


@pytest.mark.parametrize(
    ("method", "act", "body"),
    [("POST", "disable/", {}), ("POST", "enable/", {}), ("POST", "code/", {}),
     ("PATCH", "", {"user_type": "doctor"})],
)  # fmt: skip
def test_who_becomes_an_administrator_meanwhile_is_not_touched(
    method: str, act: str, body: dict[str, str], noor: Administrator, nurse: Account, sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    verify = PasswordHasher.verify

    def promoted_meanwhile(*args: Any) -> bool:
        """At the server, while the administrator's password is verified."""
        sql.execute(update(User).where(User.id == nurse.id).values(user_type="admin"))
        sql.commit()
        return verify(*args)

    monkeypatch.setattr(PasswordHasher, "verify", promoted_meanwhile)
    why = {"identity": WHY} if act == "code/" else {"reason": WHY}
    answer = noor.call(method, f"{nurse.id}/{act}", {"password": PASSWORD} | why | body)
    assert answer.status_code == 404
    user = sql.get_one(User, nurse.id, populate_existing=True)
    assert (user.user_type, user.disabled_at) == ("admin", None)
    assert not events(sql, "user:disabled", "user:enabled", "user:changed", "user:code_made")
