"""The extensions, unbound: `create_app` binds them. No logic here."""

from typing import cast

from flask import current_app
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_migrate import Migrate

from .config import Settings
from .database import Base, Database, RequestSession
from .document import CareLinkApi

db = Database(metadata=Base.metadata, session_options={"class_": RequestSession})
migrate = Migrate()
jwt = JWTManager()
limiter = Limiter(key_func=get_remote_address)
api = CareLinkApi()


def settings() -> Settings:
    """Return the running application's settings."""
    return cast(Settings, current_app.extensions["carelink.settings"])
