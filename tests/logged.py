"""An application whose whole log a test can read: import both fixtures."""

import io
import sys

import pytest
from flask import Flask

from tests.conftest import MakeApp


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.fixture
def app(stderr: io.StringIO, make_app: MakeApp) -> Flask:
    app = make_app(log_level="debug")
    assert app.extensions["carelink"].pulse.beat()
    return app
