"""The one reading of `CARELINK_SQLALCHEMY_DATABASE_URI`."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def settled_uri(uri: str, instance: Path) -> str:
    """Return a database URL so that all our engines read it alike; a plain `postgres://` works too.

    A relative SQLite path means another file to Flask-SQLAlchemy than to SQLAlchemy, and `:memory:`
    another database to each connection: the pulse would look into the wrong one. Raises ValueError,
    never with the password.
    """
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        raise ValueError("is no database URL") from None
    if url.drivername in ("postgres", "postgresql"):
        return "postgresql+psycopg" + uri.removeprefix(url.drivername)
    if url.get_backend_name() == "postgresql":
        return uri
    if url.get_backend_name() != "sqlite" or not url.database or ":memory:" in url.database:
        raise ValueError("must start with postgresql://, or with sqlite:/// and name a file")
    if url.database.startswith(("file:", "/")):
        return uri
    url = url.set(database=str(instance / url.database))
    return url.render_as_string(hide_password=False)
