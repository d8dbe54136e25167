"""What a server looks at before it serves. A command starts all the same: it may be the mend."""

from typing import cast

import click
import structlog
from flask import Flask
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
    if click.get_current_context(silent=True) is not None:
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
