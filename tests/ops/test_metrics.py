"""/metrics: what is counted, what the stores tell, and the files that are built on the names."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from carelink_api.audit.events import Event
from carelink_api.sessions.runtime import Runtime
from tests.auth.helpers import SQLITE
from tests.auth_helper import Auth
from tests.conftest import PRODUCTION, MakeApp, Travel

DEPLOYMENT = Path(__file__).parents[2] / "carelink_api" / "deployment"
_NAME = re.compile(r"carelink_[a-z_]+")
_LABEL = re.compile(r"carelink_[a-z_]+\{([^}]*)\}")

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(client: FlaskClient) -> dict[Sample, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


class Counts:
    """What a scrape shows above what an earlier one showed."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self._before = scrape(client)
        self._now = self._before

    def look(self) -> "Counts":
        self._now = scrape(self._client)
        return self

    def __call__(self, name: str, **labels: str) -> float:
        wanted = frozenset(labels.items())
        return sum(
            value
            - (self._before.get((found, has), 0) if name.endswith(("_total", "_count")) else 0)
            for (found, has), value in self._now.items()
            if found == name and wanted <= has
        )


@pytest.fixture
def counts(client: FlaskClient) -> Counts:
    return Counts(client)


def test_a_session_is_counted_from_login_to_logout(auth: Auth, counts: Counts) -> None:
    auth.create_user(user_type="nurse", unit="Ward 7")
    pair = auth.tokens()
    auth.refresh(pair["refresh"])
    auth.me(pair["access"])
    counts.look()
    assert counts("carelink_events_total", event="login:succeeded", outcome="success") == 1
    assert counts("carelink_events_total", event="session:refreshed") == 1
    assert counts("carelink_active_sessions", user_type="nurse", unit="Ward 7") == 1
    assert counts("carelink_guard_answers_total", answer="clean") == 1
    asked = {"method": "GET", "route": "/api/auth/me/", "status": "200"}
    assert counts("carelink_request_duration_seconds_count", **asked) == 1
    auth.logout(refresh=pair["refresh"])
    assert counts.look()("carelink_active_sessions", user_type="nurse", unit="Ward 7") == 0
    assert counts("carelink_events_total", event="session:logged_out") == 1


def test_refusals_are_counted_with_code_and_reason(auth: Auth, counts: Counts) -> None:
    auth.create_user()
    pair = auth.tokens()
    auth.logout(refresh=pair["refresh"])
    auth.me(pair["access"])
    auth.login(password="not the password")
    counts.look()
    assert counts("carelink_problems_total", code="token_not_valid", reason="revoked") == 1
    assert counts("carelink_problems_total", code="invalid_credentials") == 1
    assert counts("carelink_guard_answers_total", source="memory", answer="refused") == 1


@SQLITE
def test_the_age_of_a_token_that_comes_back_is_measured(
    auth: Auth, counts: Counts, travel: Travel
) -> None:
    auth.create_user()
    first = auth.tokens()["refresh"]
    second = auth.refresh(first).get_json()
    travel(3)
    auth.refresh(first)
    counts.look()
    assert counts("carelink_replay_age_seconds_count", verdict="reissue") == 1
    assert counts("carelink_replay_age_seconds_sum", verdict="reissue") >= 3
    auth.me(second["access"])
    auth.refresh(second["refresh"])
    travel(3600)
    auth.refresh(first)
    assert counts.look()("carelink_replay_age_seconds_count", verdict="reuse") == 1
    assert counts("carelink_replay_age_seconds_sum", verdict="reuse") >= 3600
    assert counts("carelink_events_total", event="session:reused", outcome="alert") == 1


def test_the_time_from_revocation_to_effect_is_measured(
    app: Flask, auth: Auth, counts: Counts
) -> None:
    parts: Runtime = app.extensions["carelink"]
    auth.create_user()
    pair = auth.tokens()
    parts.pulse.beat()
    auth.logout(refresh=pair["refresh"])
    parts.pulse.beat()
    assert counts.look()("carelink_revocation_effect_seconds_count", source="database") == 1
    assert counts("carelink_pulse_sessions") == 1


@SQLITE
def test_a_store_that_is_down_costs_its_own_numbers_only(make_app: MakeApp) -> None:
    nobody = "unix:///nonexistent/valkey.sock"
    counts = Counts(make_app(redis_url=nobody).test_client())
    assert counts("carelink_redis_up") == 0
    assert counts("carelink_database_up") == 1
    nowhere = make_app(sqlalchemy_database_uri="sqlite:////nonexistent/here.db").test_client()
    counts = Counts(nowhere)
    assert (counts("carelink_redis_up"), counts("carelink_database_up")) == (1, 0)


def test_a_method_or_path_that_somebody_makes_up_adds_no_label(
    client: FlaskClient, counts: Counts
) -> None:
    for number in range(3):
        client.open(f"/api/nothing-{number}/", method=f"MADE{number}")
    counts.look()
    made_up = {"method": "(other)", "route": "(none)"}
    assert counts("carelink_request_duration_seconds_count", **made_up) == 3


@SQLITE
def test_who_asks_through_the_proxy_finds_nothing(make_app: MakeApp) -> None:
    app = make_app(**PRODUCTION, trusted_proxies=1)
    through = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    assert app.test_client().get("/metrics", headers=through).status_code == 404
    assert app.test_client().get("/metrics").status_code == 200


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOYMENT / "grafana.json").read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for group in YAML(typ="safe").load((DEPLOYMENT / "alerts.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_keys_are_counted_by_state_and_the_one_that_signs_has_an_age(
    client: FlaskClient, runner: FlaskCliRunner
) -> None:
    assert scrape(client)["carelink_signing_key_timestamp_seconds", frozenset()] == 0
    assert runner.invoke(args=["keys", "add", "--algorithm", "EdDSA"]).exit_code == 0
    found = scrape(client)
    counted = {dict(labels)["state"]: n for (name, labels), n in found.items()
               if name == "carelink_keys"}  # fmt: skip
    assert counted == {"listed": 1, "signing": 1, "verifying": 0, "gone": 0}
    since = found["carelink_signing_key_timestamp_seconds", frozenset()]
    assert 0 <= time.time() - since < 600


def test_dashboard_and_alerts_name_what_is_exported(auth: Auth, client: FlaskClient) -> None:
    auth.create_user(user_type="nurse", unit="Ward 7")
    auth.refresh(auth.tokens()["refresh"])
    found = scrape(client)
    exported = {name for name, _ in found} | {
        family.name + suffix  # of those that nothing was counted in yet
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for suffix in ("_total", "_bucket", "_count", "_sum", "")
        if (family.type in ("counter", "histogram")) == bool(suffix)
    }
    named = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert named - exported == set()
    assert len(named) >= 15


def test_the_dashboard_shows_chores_and_keys_and_no_panel_lies_on_another() -> None:
    shown = {name for panel in panels() for target in panel["targets"]
             for name in _NAME.findall(target["expr"])}  # fmt: skip
    assert shown >= {
        "carelink_chore_succeeded_timestamp_seconds",
        "carelink_signing_key_timestamp_seconds",
        "carelink_keys",
    }
    places = [panel["gridPos"] for panel in panels()]
    tiles = [
        (x, place["y"]) for place in places for x in range(place["x"], place["x"] + place["w"])
    ]
    assert len(set(tiles)) == len(tiles)
    assert len({panel["id"] for panel in panels()}) == len(places)


def test_events_in_dashboard_and_alerts_are_events() -> None:
    for expression in expressions():
        for text in re.findall(r'event=~?"([^"]+)"', expression):
            pattern = re.compile(text)
            assert any(pattern.fullmatch(event) for event in Event), text
            for word in re.findall(r"[a-z_]{4,}", text.partition(":")[2]):
                assert any(event.endswith(f":{word}") for event in Event), word
