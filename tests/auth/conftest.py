"""A pair of tokens, what can forge from it, and the doors that must refuse the forgery."""

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask

from tests.auth.helpers import Door, Forger
from tests.auth_helper import Auth


@pytest.fixture
def pair(auth: Auth) -> dict[str, Any]:
    auth.create_user()
    return auth.tokens()


@pytest.fixture(params=["access", "refresh"])
def kind(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture
def forger(app: Flask, pair: Mapping[str, str], kind: str) -> Forger:
    return Forger(app, pair[kind])


@pytest.fixture
def doors(auth: Auth, kind: str) -> list[Door]:
    """Every way in for that kind of token; the ways all answer alike."""
    return [auth.me if kind == "access" else auth.refresh, auth.verify]


@pytest.fixture
def first(auth: Auth) -> dict[str, Any]:
    """The first pair of a session."""
    auth.create_user()
    return auth.tokens()
