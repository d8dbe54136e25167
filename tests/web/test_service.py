"""What our Flask leaves out of every request, and what it must not."""

import pytest
from flask import Flask, request

from carelink_api.service import Service
from tests.ops.commands import sqlite_only


@pytest.fixture
def service() -> Flask:
    app = Service(__name__)
    app.add_url_rule("/who/<path:name>", "who", lambda name: f"{request.method} {name}")
    app.add_url_rule("/host", "host", lambda: request.url)
    return app


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_path_is_matched_the_first_time_and_later(service: Flask, times: int) -> None:
    client = service.test_client()
    for _ in range(times):
        assert client.get("/who/Zoë/ward").text == "GET Zoë/ward"
        assert client.get("/nobody").status_code == 404
        assert client.post("/who/x").status_code == 405


def test_each_host_and_scheme_keeps_its_own(service: Flask) -> None:
    client = service.test_client()
    for _ in range(2):
        for url in ("http://a.example", "https://a.example", "http://b.example:8080"):
            assert client.get("/host", base_url=url).text == f"{url}/host"


def test_a_prefix_is_left_to_flask(service: Flask) -> None:
    client = service.test_client()
    for base in ("http://a.example", "http://a.example/prefix", "http://a.example"):
        assert client.get("/host", base_url=base).text == f"{base}/host"


def test_hosts_without_end_are_not_kept_without_end(service: Flask) -> None:
    client = service.test_client()
    for number in range(600):
        assert client.get("/host", base_url=f"http://h{number}.example").status_code == 200
    assert isinstance(service, Service)
    assert len(service._adapters) <= 256


@sqlite_only
def test_the_application_is_one(app: Flask) -> None:
    assert isinstance(app, Service)
