"""Typing commands as an operator does, and looking at what Redis then holds."""

import json
from typing import Any

import pytest
import redis
from click.testing import Result
from flask.testing import FlaskCliRunner
from prometheus_client import REGISTRY

from carelink_api.sessions.denylist import PREFIX

sqlite_only = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""For what does not depend on the kind of database."""
NO_REDIS = "unix:///nonexistent/valkey.sock"
NO_DATABASES = ["sqlite:////nonexistent/carelink.db", "postgresql://carelink@/x?host=/nonexistent"]


def done(runner: FlaskCliRunner, *words: str, stdin: str | None = None) -> str:
    """Run a command that must succeed; return what it prints."""
    result = runner.invoke(args=list(words), input=stdin)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def done_json(runner: FlaskCliRunner, *words: str, stdin: str | None = None) -> Any:
    return json.loads(done(runner, *words, "--json", stdin=stdin))


def refused(runner: FlaskCliRunner, *words: str, stdin: str | None = None) -> str:
    """Run a command that must fail; return its one sentence."""
    result: Result = runner.invoke(args=list(words), input=stdin)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception  # no traceback
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    return str(lines[0])


def counted_events(event: str) -> float:
    """Return how many successes of an event this process has counted."""
    labels = {"event": event, "outcome": "success"}
    return REGISTRY.get_sample_value("carelink_events_total", labels) or 0.0


def entries(client: redis.Redis) -> list[str]:
    """Return the denylist's keys, sorted."""
    return sorted(client.scan_iter(match=f"{PREFIX}*"))
