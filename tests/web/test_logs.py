"""Log lines are JSON objects, one a line, and hold no secret; neither does the audit trail."""

import errno
import io
import json
import logging
import re
import sys
from typing import Any, NoReturn

import pytest
import structlog
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session as Sql
from werkzeug.test import TestResponse

from carelink_api.extensions import db
from tests.auth.helpers import SQLITE, Forger, claims_of, events
from tests.auth_helper import Auth, bearer
from tests.conftest import MakeApp
from tests.logged import app as app  # a fixture
from tests.logged import stderr as stderr  # a fixture

CANARY = "canary5f1e"
EMAIL = f"{CANARY}@ward.example"
PASSWORD = f"{CANARY} sings in the coal mine"
NEW = f"{CANARY} swims across the lake"


def lines(stderr: io.StringIO) -> list[dict[str, Any]]:
    """Return the log so far; each line must be one JSON object."""
    entries = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert all(isinstance(entry, dict) for entry in entries)
    return entries


def boom() -> NoReturn:
    raise RuntimeError(f"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.{CANARY}.x")


def broken_url() -> NoReturn:
    raise RuntimeError(f"cannot reach redis://user:{CANARY}@store.example:6379/0")


def test_a_request_leaves_one_line_that_names_its_route_and_id(
    auth: Auth, stderr: io.StringIO
) -> None:
    response = auth.get("/api/auth/me/?page=1")
    (line,) = [entry for entry in lines(stderr) if entry["event"] == "request"]
    assert line["route"] == "/api/auth/me/"
    assert (line["method"], line["status"], line["level"]) == ("GET", 401, "info")
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["timestamp"].endswith("Z")
    assert line["ms"] >= 0


def test_ids_in_the_path_are_not_logged(auth: Auth, stderr: io.StringIO) -> None:
    auth.get(f"/api/{CANARY}/12345")
    auth.client.delete(f"/api/auth/sessions/{CANARY:A>22}/")
    routes = {entry["route"] for entry in lines(stderr)}
    assert routes == {"(none)", "/api/auth/sessions/<sid:sid>/"}
    assert CANARY not in stderr.getvalue()


def plant(auth: Auth, pair: dict[str, Any]) -> list[TestResponse]:
    """Send canaries in every place of a request that takes anything."""
    client, access = auth.client, pair["access"]
    forged = Forger(auth.app, access).token(secret=CANARY * 4)
    headers = {
        "User-Agent": CANARY, "Referer": f"https://{CANARY}/", "X-Request-ID": f"{CANARY} x",
        "Cookie": f"session={CANARY}", "Origin": f"https://{CANARY}", "X-Forwarded-For": CANARY,
        "Accept": CANARY, "If-Match": CANARY, "Host": f"{CANARY}.example",
    }  # fmt: skip
    return [
        auth.login(EMAIL, NEW),
        auth.login(f"unknown-{EMAIL}", PASSWORD),
        auth.login(EMAIL, PASSWORD, user_type=CANARY),
        auth.login(EMAIL, PASSWORD, **{CANARY: CANARY}),
        auth.login(EMAIL, PASSWORD, device_name=f"{CANARY}\n"),
        client.post("/api/auth/login/", data=f'{{"{CANARY}', content_type="application/json"),
        client.post("/api/auth/login/", data=CANARY, content_type=f"text/{CANARY}"),
        client.get(f"/api/auth/me/?access_token={CANARY}", headers=headers),
        client.get("/api/auth/me/", headers={"Authorization": f"Basic {CANARY}"}),
        client.get("/api/auth/me/", headers={"Authorization": f"Bearer {CANARY} {CANARY}"}),
        auth.me(forged),
        auth.refresh(forged),
        auth.refresh(CANARY),
        auth.verify(f"eyJ{CANARY}.eyJ{CANARY}.x"),
        auth.logout(CANARY),
        auth.get(f"/api/auth/sessions/?page={CANARY}", access),
        auth.post("password", {"current_password": NEW, "new_password": NEW}, access=access),
        auth.post(
            "password", {"current_password": PASSWORD, "new_password": CANARY}, access=access
        ),
    ]


def test_no_secret_reaches_the_log_or_the_audit_trail(
    auth: Auth, stderr: io.StringIO, sql: Sql
) -> None:
    auth.create_user(EMAIL, password=PASSWORD, name=f"{CANARY} Miller")
    pair = auth.tokens(EMAIL, PASSWORD, device_name=CANARY)
    refused = plant(auth, pair)
    assert [answer.status_code for answer in refused if answer.status_code >= 500] == []
    body = {"current_password": PASSWORD, "new_password": NEW}
    changed = auth.post("password", body, access=pair["access"]).get_json()
    auth.refresh(changed["refresh"])
    auth.logout(changed["refresh"])
    trail = " ".join(
        str({name: value for name, value in vars(event).items() if name[0] != "_"})
        for event in events(sql)
    )
    for place in (stderr.getvalue(), trail):
        for secret in (CANARY, pair["access"], pair["refresh"], changed["refresh"]):
            assert secret not in place
        assert not re.search(r"eyJ[\w-]{8,}\.", place)  # three letters alone may be an id's
    assert claims_of(pair["refresh"])["jti"] in trail
    assert lines(stderr)


@pytest.mark.parametrize("view", [boom, broken_url])
def test_an_unexpected_error_is_logged_with_its_secrets_masked(
    view: Any, app: Flask, stderr: io.StringIO
) -> None:
    app.add_url_rule("/api/broken/", view_func=view)
    response = app.test_client().get("/api/broken/", headers=bearer(f"eyJ{CANARY}.e.x"))
    assert response.status_code == 500
    (line,) = [entry for entry in lines(stderr) if entry["event"] == "unexpected_error"]
    assert line["kind"] == "RuntimeError"
    assert "Traceback" in line["exception"]
    assert CANARY not in stderr.getvalue()


DSN = f"host=db user=care password={CANARY}@/x dbname=care"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"postgresql://care:{CANARY}@db/care", "postgresql://care:***@db/care"),
        (f"postgresql://care:a@{CANARY}@db/care", "postgresql://care:***@db/care"),
        (f"at postgresql://care:a/b@{CANARY}/@db/care now", "at postgresql://care:***@db/care now"),
        (f"rediss://:{CANARY}/@store:6379", "rediss://:***@store:6379"),
        (DSN, "host=db user=care password=*** dbname=care"),
        (f"password = '{CANARY} it\\'s {CANARY}' dbname=x", "password = *** dbname=x"),
        (f"postgresql://db/care?user=a&password={CANARY}", "postgresql://db/care?user=a&password=***"),
        (repr({"user": "a", "password": f"{CANARY} x"}), "{'user': 'a', 'password': ***}"),
        (repr({"password": f"a {CANARY}".encode()}), "{'password': ***}"),
        (repr({"secret": f"it's {CANARY}".encode()}), "{'secret': ***}"),
        (f'PGPASSWORD="{CANARY}"', "PGPASSWORD=***"),
        (f"password='{CANARY}\\", "password=***"),
        (f"password='{CANARY} never ends", "password=***"),
        ("password_hash = ?", "password_hash = ?"),
        ("The password must be longer", "The password must be longer"),
    ],
)  # fmt: skip
@SQLITE
def test_passwords_are_masked_in_whatever_form_and_however_deep(
    said: str, left: str, app: Flask, stderr: io.StringIO
) -> None:
    log = structlog.get_logger("test")
    deep = {"list": [{"why": said}, (said,)], "error": ValueError(said), "plain": 3, "none": None}
    log.error("flat", why=said)
    log.error("deep", why=deep)
    logging.getLogger("library").error("said %s", said)
    flat, nested, foreign = lines(stderr)
    assert flat["why"] == left
    assert nested["why"]["list"] == [{"why": left}, [left]]
    assert (nested["why"]["plain"], nested["why"]["none"]) == (3, None)
    assert foreign["event"] == f"said {left}"
    assert CANARY not in stderr.getvalue()


@SQLITE
def test_what_is_called_a_password_is_masked_whatever_it_looks_like(
    app: Flask, stderr: io.StringIO
) -> None:
    settings = {"db": {"password": CANARY, "jwt_secret_key": CANARY, "must_change_password": True}}
    structlog.get_logger("test").error("starting", password=CANARY, settings=settings)
    (line,) = lines(stderr)
    assert line["password"] == "***"
    assert line["settings"]["db"] == {
        "password": "***",
        "jwt_secret_key": "***",
        "must_change_password": True,
    }


@SQLITE
def test_what_never_ends_is_cut_off(app: Flask, stderr: io.StringIO) -> None:
    endless: dict[str, Any] = {"url": f"x://a:{CANARY}@b"}
    endless["self"] = endless
    structlog.get_logger("test").error("endless", why=endless)
    (line,) = lines(stderr)
    assert "[too deep]" in json.dumps(line)
    assert CANARY not in stderr.getvalue()


def test_a_failing_statement_is_logged_without_its_parameters(
    auth: Auth, stderr: io.StringIO, sql: Sql
) -> None:
    auth.create_user(EMAIL, password=PASSWORD)
    sql.execute(text("ALTER TABLE users RENAME TO users_away"))
    sql.commit()
    assert auth.login(EMAIL, PASSWORD).status_code in (500, 503)
    sql.execute(text("ALTER TABLE users_away RENAME TO users"))
    sql.commit()
    assert any("exception" in entry for entry in lines(stderr))
    assert CANARY not in stderr.getvalue()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_row_that_the_database_refuses_is_not_told_in_the_log(
    app: Flask, auth: Auth, stderr: io.StringIO
) -> None:
    auth.create_user(EMAIL, name=f"{CANARY}\n\nin two lines")

    def broken() -> str:
        db.session.execute(text("UPDATE users SET user_type = NULL"))
        return "never"

    app.add_url_rule("/api/broken/", view_func=broken)
    assert app.test_client().get("/api/broken/").status_code == 500
    (line,) = [entry for entry in lines(stderr) if entry["event"] == "unexpected_error"]
    assert line["exception"].count("DETAIL: [left out]") == 2
    assert "UPDATE users" in line["exception"]
    assert CANARY not in stderr.getvalue()
    assert "in two lines" not in stderr.getvalue()


@pytest.mark.parametrize(
    "nasty", ["a\r\nfake: line", "\x1b[31mred\x1b[0m", "\u2028", '"}\n{"event": "x']
)
def test_nothing_that_is_sent_starts_a_line_of_its_own(
    nasty: str, auth: Auth, stderr: io.StringIO
) -> None:
    auth.login(nasty, nasty, device_name=nasty)
    environ = {"HTTP_USER_AGENT": nasty, "HTTP_X_REQUEST_ID": nasty, "PATH_INFO": f"/api/{nasty}"}
    auth.client.get(
        "/", environ_overrides={k: v.encode().decode("latin-1") for k, v in environ.items()}
    )
    assert [entry["event"] for entry in lines(stderr)] == ["request", "request"]
    assert "\x1b" not in stderr.getvalue()


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_fails_no_request(
    monkeypatch: pytest.MonkeyPatch, make_app: MakeApp
) -> None:
    monkeypatch.setattr(sys, "stderr", FullDisk())
    auth = Auth(make_app(redis_url="unix:///nowhere", log_level="debug"))
    runtime = auth.app.extensions["carelink"]
    assert runtime.pulse.beat()
    auth.create_user()
    granted = auth.tokens()
    assert auth.me(granted["access"]).status_code == 200  # says that Redis is gone
    assert auth.logout(granted["refresh"]).status_code == 202
    assert auth.me(granted["access"]).status_code == 401
