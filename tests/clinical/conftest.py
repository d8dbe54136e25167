"""What the tests of the clinical API ask for."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.clinical.ward import Ward


@pytest.fixture
def ward(app: Flask, client: FlaskClient) -> Ward:
    """People, records and ties on `app`."""
    return Ward(app, client)
