"""A copy of the trail on another system: what it missed while it was away, it gets afterwards."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.config import UnsafeSettings
from carelink_api.deployment.make_secrets import self_signed
from carelink_api.extensions import db, settings
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.housekeeping.ledger import read_late
from carelink_api.housekeeping.schedule import Chore
from tests.audit.trail import SECOND, Trail, verified_just_now
from tests.conftest import PRODUCTION, MakeApp, MakeSettings
from tests.ops.commands import sqlite_only
from tests.sessions.helpers import parts

TOKEN = "collector-token"


class Collector(ThreadingHTTPServer):
    """Another system that takes events, or refuses them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.scheme = 204, "http"
        self.taken: list[dict[str, Any]] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/carelink?from=ward"

    def seqs(self) -> list[int]:
        return [line["seq"] for line in self.taken if "seq" in line]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.headers["Authorization"])
        if self.server.status < 300:
            self.server.taken += [json.loads(line) for line in body.splitlines()]
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server, _serving(server):
        yield server


@contextmanager
def _serving(server: Collector) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "tls.pem"
    path.write_text(self_signed("localhost"))
    return path


@pytest.fixture
def secure_collector(certificate: Path) -> Iterator[Collector]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Collector() as server:
        server.scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with _serving(server):
            yield server


@pytest.fixture
def shipping(make_app: MakeApp, collector: Collector) -> Flask:
    return make_app(audit_ship_url=collector.url, audit_ship_token=TOKEN, audit_seal_seconds=1)


def test_a_collector_that_was_away_catches_up_and_misses_nothing(
    shipping: Flask, sql: Sql, tmp_path: Path, collector: Collector
) -> None:
    trail, now = Trail(shipping, sql, tmp_path / "outside"), clock.now()
    verified_just_now(sql)
    with shipping.app_context():
        keeper = Housekeeper(parts(shipping))
        trail.grow(3, 2)
        keeper.round(db.session(), now)
        assert collector.seqs() == [1, 2, 3, 4, 5]
        assert collector.taken[0]["patients"] == []
        assert collector.taken[2]["patients"] == [7]
        assert [line["audit_block"] for line in collector.taken if "audit_block" in line] == [1, 2]
        assert set(collector.asked) == {f"Bearer {TOKEN}"}

        collector.status = 503
        with capture_logs() as said:
            trail.grow(4)
            keeper.round(db.session(), now + 31 * SECOND)
            trail.grow(1)
            keeper.round(db.session(), now + 62 * SECOND)
        assert [line["fault"] for line in said if line["event"] == "audit_not_shipped"] == [
            "HTTP 503"
        ] * 2
        assert collector.seqs() == [1, 2, 3, 4, 5]
        assert set(read_late(db.session(), settings(), now + 121 * SECOND)) >= {Chore.SHIP}

        collector.status = 200
        another = Housekeeper(parts(shipping))  # which remembers nothing of its own
        another.round(db.session(), now + 122 * SECOND)
        assert collector.seqs() == list(range(1, 11))
        assert Chore.SHIP not in read_late(db.session(), settings(), now + 122 * SECOND)


def test_a_long_backlog_goes_in_pieces(
    shipping: Flask, sql: Sql, tmp_path: Path, collector: Collector
) -> None:
    trail, now = Trail(shipping, sql, tmp_path / "outside"), clock.now()
    trail.grow(*[1] * 12)
    with shipping.app_context():
        keeper = Housekeeper(parts(shipping))
        assert keeper.round(db.session(), now).more
        assert collector.seqs() == [1, 2, 3, 4, 5]
        while keeper.round(db.session(), now).more:
            pass
    assert collector.seqs() == list(range(1, 13))


def test_a_trail_that_went_back_is_said_and_shipped_on(
    shipping: Flask, sql: Sql, tmp_path: Path, collector: Collector
) -> None:
    trail, now = Trail(shipping, sql, tmp_path / "outside"), clock.now()
    with shipping.app_context(), capture_logs() as said:
        keeper = Housekeeper(parts(shipping))
        trail.grow(1, 1, 1)
        keeper.round(db.session(), now)
        trail.attack(
            "DELETE FROM audit_blocks WHERE number > 1",
            "DELETE FROM audit_events WHERE id > 1",
            "DELETE FROM audited_patients WHERE event_id > 1",
            "DELETE FROM audit_gaps",
        )
        keeper.round(db.session(), now + 31 * SECOND)
        trail._next_id = 2
        trail.grow(2)
        keeper.round(db.session(), now + 62 * SECOND)
    assert "audit_trail_went_back" in [line["event"] for line in said]
    assert collector.seqs() == [1, 2, 3, 2, 3]


@sqlite_only
def test_where_no_collector_is_named_nothing_is_late(app: Flask) -> None:
    with app.app_context():
        Housekeeper(parts(app)).round(db.session(), clock.now())
        assert read_late(db.session(), settings(), clock.now()) == {}


@sqlite_only
def test_events_leave_production_by_tls_only(make_settings: MakeSettings) -> None:
    with pytest.raises(UnsafeSettings, match="https"):
        make_settings(**PRODUCTION, audit_ship_url="http://collector.example/")
    make_settings(**PRODUCTION, audit_ship_url="https://collector.example/")


@sqlite_only
def test_over_tls_only_a_collector_with_a_trusted_certificate_is_told_anything(
    make_app: MakeApp, sql: Sql, tmp_path: Path, secure_collector: Collector, certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    app = make_app(
        audit_ship_url=secure_collector.url, audit_ship_token=TOKEN, audit_seal_seconds=1
    )
    trail, now = Trail(app, sql, tmp_path / "outside"), clock.now()
    verified_just_now(sql)
    trail.grow(3)
    with app.app_context(), capture_logs() as logged:
        keeper = Housekeeper(parts(app))
        keeper.round(db.session(), now)
        faults = [each["fault"] for each in logged if each["event"] == "audit_not_shipped"]
        assert faults == ["SSLCertVerificationError"]
        assert secure_collector.asked == []  # nor is the token shown
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        keeper.round(db.session(), now + 31 * SECOND)
    assert secure_collector.seqs() == [1, 2, 3]
    assert secure_collector.asked == [f"Bearer {TOKEN}"]
