"""A busy machine fails no test: what runs in a test's own process waits longer for healthy stores.

Servers in processes of their own have the limits of production, and so has every application on
stores that its test breaks.
"""

from flask import Flask

from carelink_api import database

IDLE_IN_TRANSACTION_MS = database.IDLE_IN_TRANSACTION_MS
"""As in production."""
_PATIENT_MS = 300_000
_PATIENT_SECONDS = 10.0


def wait_for_slow_transactions() -> None:
    """Let no transaction of this process end because the process got no time."""
    database.IDLE_IN_TRANSACTION_MS = _PATIENT_MS


def wait_for_redis(app: Flask) -> None:
    """Let an application that has made no connection yet wait for its Redis."""
    options = app.extensions["carelink"].denylist.client.connection_pool.connection_kwargs
    options |= {"socket_timeout": _PATIENT_SECONDS, "socket_connect_timeout": _PATIENT_SECONDS}
