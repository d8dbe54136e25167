"""What our Flask leaves out of every request, and what it must not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    g,
    jsonify,
    redirect,
    request,
    url_for,
)
from werkzeug.exceptions import Conflict

from carelink_api.service import Service
from tests.ops.commands import sqlite_only

Steps = list[str]


@pytest.fixture
def service() -> Flask:
    app = Service(__name__)
    app.add_url_rule("/who/<path:name>", "who", lambda name: f"{request.method} {name}")
    app.add_url_rule("/host", "host", lambda: request.url)
    return app


def hook(app: Flask | Blueprint, steps: Steps, name: str) -> None:
    """Put one hook of each kind on an application or blueprint; each leaves a step."""

    def judge(endpoint: str | None, values: dict[str, Any] | None) -> None:
        steps.append(f"{name} judges {endpoint} {values}")

    def before() -> str | None:
        steps.append(f"{name} before {request.path}")
        return f"stopped by {name}" if request.args.get("stop") == name else None

    def after(response: Response) -> Response:
        steps.append(f"{name} after {response.status_code}")
        response.headers.add("X-Passed", name)
        return response

    app.url_value_preprocessor(judge)
    app.before_request(before)
    app.after_request(after)
    app.teardown_request(lambda error: steps.append(f"{name} over {type(error).__name__}"))


def stream() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


def hooked(kind: type[Flask]) -> tuple[Flask, Steps]:
    """Return an application with hooks on all levels and every kind of answer."""
    steps: Steps = []
    app = kind(__name__)
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    for each, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        hook(each, steps, name)
    app.teardown_appcontext(lambda error: steps.append(f"context {type(error).__name__}"))
    app.register_error_handler(Conflict, lambda error: ({"conflict": True}, 409))

    def view() -> Response:
        g.seen = True

        @after_this_request
        def mark(response: Response) -> Response:
            response.headers["X-Marked"] = str(g.seen)
            return response

        return jsonify(a=[1, 2])

    def fails() -> str:
        raise Conflict()

    answers: dict[str, Callable[..., Any]] = {
        "json": view,
        "text": lambda: "text",
        "nothing": lambda: ("", 204),
        "same": lambda: Response(status=304),
        "moved": lambda: redirect("/somewhere else"),
        "placed": lambda: ("x", 201, {"Content-Location": "/ä"}),
        "stream": lambda: Response(stream()),
        "closing": closing(steps),
        "dictionary": lambda: ({"b": 1}, 202, {"X-More": "1"}),
        "fails": fails,
        "crashes": lambda: 1 / 0,
        "link": lambda: url_for("outer.inner.json"),
        "one/<number>": lambda number: number,
    }
    for path, answer in answers.items():
        inner.add_url_rule(f"/{path}/", path.split("/")[0], answer)
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")
    app.add_url_rule("/plain/", "plain", lambda: "plain")
    return app, steps


def closing(steps: Steps) -> Callable[[], Response]:
    def answer() -> Response:
        response = Response("closed later")
        response.call_on_close(lambda: steps.append("closed"))
        return response

    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        *(f"/outer/inner/{name}/" for name in (
            "json", "text", "nothing", "same", "moved", "placed", "stream", "closing", "dictionary",
            "fails", "crashes", "link", "one/ä")),
        "/outer/inner/json", "/plain/", "/plain/?stop=app", "/outer/inner/json/?stop=inner",
        "/outer/inner/json/?stop=outer", "/nowhere/",
    ],
)  # fmt: skip
def test_every_answer_and_every_hook_is_as_flask_has_it(method: str, path: str) -> None:
    """The second time, too: what was found out about a route is kept from the first."""
    shown = []
    for kind in (Flask, Service):
        app, steps = hooked(kind)
        for _ in range(2):
            answer = app.test_client().open(path, method=method)
            headers = sorted((name, value) for name, value in answer.headers)
            shown.append((answer.status, headers, answer.data, steps.copy()))
            answer.close()
            steps.clear()
    assert shown[2:] == shown[:2]


def test_a_crash_after_the_view_is_answered(service: Flask) -> None:
    def crash(_: Response) -> Response:
        raise RuntimeError("after")

    service.after_request(crash)
    service.logger.disabled = True
    assert service.test_client().get("/host").status_code == 500


def test_no_answer_of_ours_carries_a_session_of_flask_s(service: Flask) -> None:
    service.secret_key = "any"
    client = service.test_client()
    client.set_cookie("session", "eyJhIjoxfQ.x.y")
    assert "Set-Cookie" not in client.get("/host").headers


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_path_is_matched_the_first_time_and_later(service: Flask, times: int) -> None:
    client = service.test_client()
    for _ in range(times):
        assert client.get("/who/Zoë/ward").text == "GET Zoë/ward"
        assert client.get("/nobody").status_code == 404
        assert client.post("/who/x").status_code == 405
        assert client.get("/host").status_code == 200
        assert client.post("/host").status_code == 405


def test_paths_without_end_are_not_kept_without_end(service: Flask) -> None:
    client = service.test_client()
    for number in range(50):
        client.get(f"/who/{number}")
        client.get(f"/{number}")
        client.get(f"/host?{number}")
    assert isinstance(service, Service)
    assert list(service.plain_rules) == [("GET", "/host")]


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
