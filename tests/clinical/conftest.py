"""What the tests of the clinical API ask for."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from carelink_api.extensions import db
from tests.audit.event_schema import all_events, assert_well_formed
from tests.auth_helper import Account
from tests.clinical.ward import Ward


@pytest.fixture
def ward(app: Flask, client: FlaskClient) -> Iterator[Ward]:
    """People, records and ties on `app`; every event that the test leaves keeps to the schema."""
    yield Ward(app, client)
    with app.app_context():
        engine = db.engine
    assert_well_formed(all_events(engine))


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
