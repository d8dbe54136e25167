"""What a server looks at before it serves. A command starts all the same: it may be the mend."""

from typing import cast

import click
import structlog
from flask import Flask
from flask.cli import ScriptInfo
from sqlalchemy.exc import SQLAlchemyError

from ..auth.key_reading import EXTENSION, RingKeeper
from ..database import background_engine
from ..extensions import db

log = structlog.get_logger(__name__)


def refuse_unsafe(app: Flask) -> None:
    """Read which keys hold. Raises UnsafeSettings where they cannot be opened.

    While the database does not answer a server starts, and answers 503 to every token until it has
    read them: by the settings alone a key that is gone could let somebody in.
    """
    if _is_command():
        return
    with app.app_context():
        engine = background_engine(db.engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect() as connection:
            cast(RingKeeper, app.extensions[EXTENSION]).start(connection)
    except SQLAlchemyError as error:
        log.warning("keys_not_read", kind=type(error).__name__)
    finally:
        engine.dispose()


def _is_command() -> bool:
    """Say whether this is `flask …`. A server may have been started by a command of its own."""
    context = click.get_current_context(silent=True)
    return context is not None and context.find_object(ScriptInfo) is not None
