"""What the tests of the clinical API ask for."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.auth_helper import Account
from tests.clinical.ward import Ward


@pytest.fixture
def ward(app: Flask, client: FlaskClient) -> Ward:
    """People, records and ties on `app`."""
    return Ward(app, client)


@pytest.fixture
def patient(ward: Ward) -> int:
    """The id of a patient of Ward 7."""
    return ward.patient(unit_id=ward.unit())


@pytest.fixture
def nurse(ward: Ward) -> Account:
    """A nurse who is on shift there."""
    return ward.nurse(ward.unit())


@pytest.fixture
def ada(ward: Ward) -> Account:
    """Another one."""
    return ward.nurse(ward.unit(), "ada@ward.example")


@pytest.fixture
def bea(ward: Ward) -> Account:
    """And one more."""
    return ward.nurse(ward.unit(), "bea@ward.example")
