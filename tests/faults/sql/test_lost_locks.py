"""A worker that is cut off in the middle of a transaction does not keep its locks."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from carelink_api import database
from carelink_api.config import Settings
from carelink_api.database import engine_options
from tests import patience
from tests.auth_helper import Auth


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["change_counter", "sessions"])
def test_who_waits_for_the_lock_of_a_lost_worker_gets_it(
    table: str, auth: Auth, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patience.IDLE_IN_TRANSACTION_MS == 5000  # which nobody need sit out here
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION_MS", 500)
    auth.create_user()
    pair = auth.tokens()
    uri = settings.sqlalchemy_database_uri
    engine = create_engine(uri, **engine_options(uri))
    lost = engine.connect()
    lost.execute(text(f"SELECT * FROM {table} FOR UPDATE"))
    assert auth.logout(pair["refresh"]).status_code == 200
    with pytest.raises(DBAPIError) as told:  # should it come back after all, it starts anew
        lost.execute(text("SELECT 1"))
    assert told.value.connection_invalidated
    lost.close()
    engine.dispose()
