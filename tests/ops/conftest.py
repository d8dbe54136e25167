"""A small hospital and its operator."""

import pytest

from tests.auth_helper import Auth
from tests.ops.operator import Logged, Operator, hospital


@pytest.fixture
def ward(auth: Auth) -> Logged:
    return hospital(auth)


@pytest.fixture
def piet(auth: Auth, ward: Logged) -> Operator:
    return Operator(auth)
