"""`flask keys`: from HS256 to pairs and on, without a log-out, on real stores."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.auth.key_models import SigningKey
from carelink_api.config import UnsafeSettings
from carelink_api.ops.starting import refuse_unsafe
from tests.auth.helpers import events, runtime_of
from tests.auth.pairs import ed25519_pair, key_file, private_pem, public_pem, rsa_pair
from tests.auth_helper import Auth
from tests.conftest import TEST_SETTINGS, MakeApp, MakeSettings, Travel, environment
from tests.ops.commands import done, done_json, refused, sqlite_only
from tests.servers import ApiServer

DAY = 24 * 3600
NEWER = "Pw4Tz9-kS2vN7xM5bJ1hG8fD6cR3qL0y"


def beat(*apps: Flask) -> None:
    """Let half a second pass in each worker."""
    for app in apps:
        assert runtime_of(app).pulse.beat()


def kid_of(token: str) -> str:
    return str(pyjwt.get_unverified_header(token)["kid"])


def refreshed(auth: Auth, pair: Mapping[str, str]) -> dict[str, Any]:
    answer = auth.refresh(pair["refresh"])
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.get_json()
    return tokens


def states(runner: FlaskCliRunner) -> dict[str, str]:
    return {row["kid"]: row["state"] for row in done_json(runner, "keys", "list", "--all")}


@pytest.fixture
def pair(auth: Auth) -> dict[str, Any]:
    auth.create_user()
    return auth.tokens()


def test_from_a_secret_to_a_pair_to_the_next_pair_nobody_is_logged_out(
    app: Flask, auth: Auth, pair: dict[str, Any], runner: FlaskCliRunner, travel: Travel
) -> None:
    secret = kid_of(pair["access"])
    assert states(runner) == {secret: "signing"}
    first = done_json(runner, "keys", "add", "--algorithm", "EdDSA")
    assert first["taken_over"] == [secret]
    assert states(runner) == {secret: "signing", first["kid"]: "listed"}
    assert "Everybody knows" in refused(runner, "keys", "promote", first["kid"])
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == secret
    travel(302)
    assert done_json(runner, "keys", "promote", first["kid"])["former"] == secret
    beat(app)
    assert auth.me(pair["access"]).status_code == 200
    pair = refreshed(auth, pair)
    assert {kid_of(pair["access"]), kid_of(pair["refresh"])} == {first["kid"]}
    second = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(302)
    done(runner, "keys", "promote", second)
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == second
    for kid in (secret, first["kid"]):
        assert "can be alive until" in refused(runner, "keys", "retire", kid)
    travel(DAY + 60)
    for kid in (secret, first["kid"]):
        assert done_json(runner, "keys", "retire", kid)["sessions"] == 0
    assert states(runner) == {secret: "gone", first["kid"]: "gone", second: "signing"}


def test_a_key_that_leaked_goes_at_once_in_every_worker(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner,
    travel: Travel,
) -> None:  # fmt: skip
    other = Auth(make_app())
    assert other.me(pair["access"]).status_code == auth.me(pair["access"]).status_code == 200
    leaked = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(2)
    done(runner, "keys", "promote", new, "--now")
    told = done_json(runner, "keys", "retire", leaked, "--now", "--yes")
    assert told["sessions"] == 1
    beat(app, other.app)
    for worker in (auth, other):
        assert worker.me(pair["access"]).status_code == 401
        assert worker.refresh(pair["refresh"]).status_code == 401
    assert kid_of(other.tokens()["access"]) == new


def test_a_worker_whose_look_is_late_looks_before_it_honours_a_key(
    auth: Auth, pair: dict[str, Any], runner: FlaskCliRunner, travel: Travel
) -> None:
    """Verified before, and without a beat in between: the guard's own look must tell."""
    assert auth.me(pair["access"]).status_code == 200
    leaked = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "HS256")["kid"]
    travel(2)
    done(runner, "keys", "promote", new, "--now")
    done(runner, "keys", "retire", leaked, "--now", "--yes")
    travel(1.1)
    assert auth.me(pair["access"]).status_code == 401
    assert auth.refresh(pair["refresh"]).status_code == 401


def test_a_token_of_a_key_that_a_worker_has_not_met_is_looked_up_not_refused(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner,
    travel: Travel,
) -> None:  # fmt: skip
    late = Auth(make_app())
    beat(late.app)
    new = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(1.1)
    done(runner, "keys", "promote", new, "--now")
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == new
    assert late.me(pair["access"]).status_code == 200


@pytest.mark.parametrize("path", ["body", "jwks"])
def test_a_worker_that_starts_takes_the_ring_from_sql_not_from_its_settings(
    path: str, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner, travel: Travel
) -> None:
    leaked = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(2)
    done(runner, "keys", "promote", new, "--now")
    done(runner, "keys", "retire", leaked, "--now", "--yes")
    started = Auth(make_app())  # its settings still name the leaked key
    if path == "body":
        assert started.me(pair["access"]).status_code == 401
        assert kid_of(started.tokens()["access"]) == new
    else:
        published = started.client.get("/.well-known/jwks.json").get_json(force=True)
        assert [key["kid"] for key in published["keys"]] == [new]


@sqlite_only
def test_without_sql_a_worker_that_starts_knows_no_key_and_says_503(
    pair: dict[str, Any], make_app: MakeApp, tmp_path: Path
) -> None:
    lost = Auth(make_app(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/no/such.db"))
    assert lost.me(pair["access"]).status_code == 503
    assert lost.refresh(pair["refresh"]).status_code == 503
    assert lost.client.get("/.well-known/jwks.json").status_code == 503


@sqlite_only
def test_the_published_set_is_the_same_bytes_in_every_worker_and_answers_304(
    app: Flask, make_app: MakeApp, runner: FlaskCliRunner
) -> None:
    for algorithm in ("EdDSA", "RS256", "EdDSA"):
        done(runner, "keys", "add", "--algorithm", algorithm)
    other = make_app()
    beat(app, other)
    answers = [each.test_client().get("/.well-known/jwks.json") for each in (app, other)]
    assert answers[0].data == answers[1].data
    assert len(answers[0].get_json(force=True)["keys"]) == 3
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
    known = {"If-None-Match": answers[0].headers["ETag"]}
    again = other.test_client().get("/.well-known/jwks.json", headers=known)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == "public, max-age=300"


@sqlite_only
def test_a_pair_of_ones_own_can_be_imported(
    runner: FlaskCliRunner, tmp_path: Path, travel: Travel
) -> None:
    file = key_file(tmp_path / "own.pem", private_pem(rsa_pair()))
    kid = done_json(runner, "keys", "add", "--algorithm", "RS256", "--pem", file)["kid"]
    assert states(runner)[kid] == "listed"
    travel(302)
    done(runner, "keys", "promote", kid)
    assert states(runner)[kid] == "signing"


@sqlite_only
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    runner: FlaskCliRunner, tmp_path: Path, sql: Sql, travel: Travel
) -> None:
    ed = key_file(tmp_path / "ed.pem", private_pem(ed25519_pair()))
    half = key_file(tmp_path / "half.pem", public_pem(ed25519_pair(1)))
    kid = done_json(runner, "keys", "add", "--algorithm", "EdDSA", "--pem", ed)["kid"]
    public = done_json(runner, "keys", "add", "--algorithm", "EdDSA", "--pem", half)["kid"]
    signs = next(name for name, state in states(runner).items() if state == "signing")
    travel(302)
    before = states(runner)
    for words, sentence in (
        (("add", "--algorithm", "EdDSA", "--pem", ed), "is listed"),
        (("add", "--algorithm", "RS256", "--pem", ed), "is a key for EdDSA, not for RS256"),
        (("add", "--algorithm", "EdDSA", "--pem", f"{tmp_path}/none"), "cannot be read"),
        (("promote", "nobody"), "no key of this name"),
        (("retire", "-begins-with-a-dash", "--now"), "no key of this name"),
        (("promote", signs), "signs already"),
        (("promote", public), "only the public half"),
        (("retire", signs), "promote another key first"),
        (("retire", signs, "--now"), "promote another key first"),
        (("rewrap", "--old-secret-file", f"{tmp_path}/none"), "cannot be read"),
    ):
        assert sentence in refused(runner, "keys", *words), words
    assert states(runner) == before
    done(runner, "keys", "retire", public)
    assert "is gone" in refused(runner, "keys", "promote", public)
    assert "cannot come back" in refused(
        runner, "keys", "add", "--algorithm", "EdDSA", "--pem", half
    )
    assert kid in before


@sqlite_only
def test_without_an_answer_nobody_is_logged_out(
    pair: dict[str, Any], runner: FlaskCliRunner, travel: Travel
) -> None:
    signs = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "HS256")["kid"]
    travel(2)
    done(runner, "keys", "promote", new)
    result = runner.invoke(args=["keys", "retire", signs, "--now"], input="n\n")
    assert result.exit_code == 1
    assert "up to 1 session" in result.stderr
    assert states(runner)[signs] == "verifying"


def test_a_key_that_stopped_may_sign_again(
    app: Flask, auth: Auth, pair: dict[str, Any], runner: FlaskCliRunner, travel: Travel
) -> None:
    secret = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(302)
    done(runner, "keys", "promote", new)
    done(runner, "keys", "promote", secret)
    beat(app)
    assert kid_of(refreshed(auth, pair)["access"]) == secret
    assert states(runner) == {secret: "signing", new: "verifying"}


def test_every_act_leaves_an_event_without_a_key_in_it(
    pair: dict[str, Any], runner: FlaskCliRunner, sql: Sql, travel: Travel
) -> None:
    secret = kid_of(pair["access"])
    new = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(2)
    done(runner, "keys", "promote", new, "--now")
    done(runner, "keys", "retire", secret, "--now", "--yes")
    done(runner, "keys", "rewrap")
    names = ("key:added", "key:promoted", "key:retired", "keys:rewrapped")
    found = [(each.event, each.actor, each.detail) for each in events(sql, *names)]
    assert found == [
        ("key:added", "cli", {"kid": secret, "algorithm": "HS256", "source": "settings"}),
        ("key:added", "cli", {"kid": new, "algorithm": "EdDSA", "source": "made"}),
        ("key:promoted", "cli", {"kid": new, "former": secret, "at_once": True}),
        ("key:retired", "cli", {"kid": secret, "at_once": True, "sessions": 1}),
        ("keys:rewrapped", "cli", {"keys": 1}),
    ]


@sqlite_only
def test_no_private_part_is_printed_or_stands_open_in_the_database(
    runner: FlaskCliRunner, sql: Sql, tmp_path: Path
) -> None:
    pem = private_pem(ed25519_pair())
    file = key_file(tmp_path / "own.pem", pem)
    said = done(runner, "keys", "add", "--algorithm", "EdDSA", "--pem", file)
    said += done(runner, "keys", "list", "--json") + done(runner, "keys", "list", "--all")
    dump = json.dumps([str(row) for row in sql.execute(text("SELECT * FROM signing_keys"))])
    raw = ed25519_pair().private_bytes_raw()
    for private in (pem.splitlines()[1], TEST_SETTINGS["jwt_secret_key"], raw.hex()):
        assert private not in said + dump
    assert all(raw not in (row or b"") for row in sql.scalars(select(SigningKey.sealed)))


@pytest.mark.parametrize("given", ["in the settings", "in a file"])
def test_the_secret_itself_is_changed_without_a_log_out(
    given: str, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner, tmp_path: Path,
    travel: Travel,
) -> None:  # fmt: skip
    former = TEST_SETTINGS["jwt_secret_key"]
    done(runner, "keys", "add", "--algorithm", "EdDSA")
    options: list[str] = []
    changed: dict[str, Any] = {"jwt_secret_key": NEWER}
    if given == "in a file":
        (tmp_path / "former").write_text(former + "\n")
        options = ["--old-secret-file", str(tmp_path / "former")]
    else:
        changed |= {"jwt_verifying_secrets": [former]}
        assert Auth(make_app(**changed)).me(pair["access"]).status_code == 200
    told = done_json(make_app(**changed).test_cli_runner(), "keys", "rewrap", *options)
    assert told == {"keys": 2}
    assert "No secret here opens" in refused(runner, "keys", "add", "--algorithm", "EdDSA")
    alone = Auth(make_app(jwt_secret_key=NEWER))
    assert alone.me(pair["access"]).status_code == 200  # the former secret is one of the keys


def test_a_server_whose_secret_does_not_open_the_keys_does_not_start(
    make_app: MakeApp, runner: FlaskCliRunner, tmp_path: Path
) -> None:
    kid = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    refuse_unsafe(make_app())
    with pytest.raises(UnsafeSettings, match="CARELINK_JWT_SECRET_KEY does not open") as refusal:
        refuse_unsafe(make_app(jwt_secret_key=NEWER))
    assert kid in str(refusal.value)
    refuse_unsafe(make_app(sqlalchemy_database_uri=f"sqlite:///{tmp_path}/no/such.db"))  # it waits


@sqlite_only
def test_such_a_server_ends_so_that_whoever_watches_it_sees_it(
    make_settings: MakeSettings, runner: FlaskCliRunner
) -> None:
    done(runner, "keys", "add", "--algorithm", "EdDSA")
    server = ApiServer(environment(make_settings(jwt_secret_key=NEWER)), workers=1)
    with closing(server):
        with pytest.raises(RuntimeError, match="CARELINK_JWT_SECRET_KEY does not open the keys"):
            server.start()
        assert server.process is not None
        assert server.process.wait() == 1


@sqlite_only
def test_a_worker_with_the_former_secret_goes_on_after_a_rewrap(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner,
    travel: Travel,
) -> None:  # fmt: skip
    first = done_json(runner, "keys", "add", "--algorithm", "EdDSA")["kid"]
    beat(app)
    newer = make_app(
        jwt_secret_key=NEWER, jwt_verifying_secrets=[TEST_SETTINGS["jwt_secret_key"]]
    ).test_cli_runner()
    done(newer, "keys", "rewrap")
    second = done_json(newer, "keys", "add", "--algorithm", "EdDSA")["kid"]
    travel(302)
    done(newer, "keys", "promote", first)
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == first  # held since before
    done(newer, "keys", "promote", second)
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == first  # it cannot open the second: the first still verifies
    assert auth.me(pair["access"]).status_code == 200


@sqlite_only
def test_a_ring_that_another_secret_has_sealed_takes_nobodys_place(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner
) -> None:
    """Whoever types `keys add` with the settings of another deployment throws nobody out."""
    stranger = make_app(jwt_secret_key=NEWER).test_cli_runner()
    done(stranger, "keys", "add", "--algorithm", "EdDSA")
    beat(app)
    assert auth.me(pair["access"]).status_code == 200
    refreshed(auth, pair)


@sqlite_only
def test_a_changed_row_opens_no_door_and_its_tokens_are_not_called_foreign(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner,
    sql: Sql,
) -> None:  # fmt: skip
    done(runner, "keys", "add", "--algorithm", "EdDSA")
    sql.execute(text("UPDATE signing_keys SET sealed = x'00112233445566778899aabbccddeeff'"
                     " WHERE algorithm = 'HS256'"))  # fmt: skip
    sql.execute(text("UPDATE change_counter SET key_change = key_change + 1"))
    sql.commit()
    assert Auth(make_app()).me(pair["access"]).status_code == 503
    beat(app)
    assert auth.me(pair["access"]).status_code == 200  # whoever held it before still does


def test_a_row_that_lets_a_public_half_sign_stops_nobody_and_is_told(
    app: Flask, auth: Auth, pair: dict[str, Any], make_app: MakeApp, runner: FlaskCliRunner,
    sql: Sql, tmp_path: Path, travel: Travel,
) -> None:  # fmt: skip
    secret = kid_of(pair["access"])
    half = key_file(tmp_path / "half.pem", public_pem(rsa_pair()))
    configured = make_app(jwt_verifying_keys=[half])
    first = done_json(configured.test_cli_runner(), "keys", "add", "--algorithm", "EdDSA")
    public = next(kid for kid in first["taken_over"] if kid != secret)
    beat(app)
    for kid, stopped in ((secret, clock.now()), (public, None)):
        sql.execute(update(SigningKey).where(SigningKey.kid == kid).values(stopped_at=stopped))
    sql.execute(text("UPDATE change_counter SET key_change = key_change + 1"))
    sql.commit()
    beat(app)
    pair = refreshed(auth, pair)
    assert kid_of(pair["access"]) == secret  # the last good one goes on
    assert auth.me(pair["access"]).status_code == 200
    ready = auth.get("/health/ready/").get_json()
    assert ready["checks"]["keys"] == {"ok": False, "unreadable": 0, "powerless": 1}
    doctor = runner.invoke(args=["doctor", "--json"])
    assert doctor.exit_code == 1
    found = {each["check"]: each["state"] for each in json.loads(doctor.stdout)["checks"]}
    assert (found["key that signs"], found["length of keys"]) == ("unsafe", "warn")
    newcomer = make_app()
    beat(newcomer)
    assert Auth(newcomer).me(pair["access"]).status_code == 200
    assert Auth(newcomer).refresh(pair["refresh"]).status_code == 503
    travel(2)
    done(runner, "keys", "promote", secret)
    beat(app, newcomer)
    assert kid_of(refreshed(Auth(newcomer), pair)["access"]) == secret
    assert states(runner)[public] == "verifying"
    assert auth.get("/health/ready/").get_json()["checks"]["keys"]["ok"]
