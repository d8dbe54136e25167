"""CareLink: the login and session service of a hospital. `create_app` puts it together."""

from collections.abc import Callable
from pathlib import Path

from flask import Flask

from . import clock, embedded, errors, logs, redis_client, web
from .accounts.passwords import EXTENSION as PASSWORDS
from .accounts.passwords import PasswordHasher
from .answered import Telling
from .api import FastJson
from .auth import refusal_counts, throttles
from .auth import tokens as auth_tokens
from .auth.jwks import bp as jwks_blueprint
from .auth.key_reading import EXTENSION as KEYS
from .auth.key_reading import RingKeeper
from .auth.key_settings import key_ring
from .auth.refusal_counts import RefusalCounts
from .auth.routes import SidConverter
from .auth.routes import bp as auth_blueprint
from .auth.routes import own_bp as own_blueprint
from .bounded import BoundedCache
from .clinical.break_glass.ending import note_ends
from .clinical.routes import blueprints as clinical_blueprints
from .config import Settings
from .database import background_engine, engine_options
from .extensions import api, db, migrate
from .fields import IdConverter
from .housekeeping.expiring import EXTENSION as ALSO_EXPIRES
from .ops import cli
from .ops.admin.routes import bp as accounts_blueprint
from .ops.api.numbers import EXTENSION as MINUTE_COUNTS
from .ops.api.numbers import MinuteCounts
from .ops.api.routes import bp as operations_blueprint
from .ops.docs_page import bp as docs_blueprint
from .ops.live_counts import EXTENSION as LIVE_COUNTS
from .ops.live_counts import LiveCounts
from .ops.metrics_page import bp as metrics_blueprint
from .ops.pages import bp as pages_blueprint
from .ops.routes import bp as ops_blueprint
from .ops.trail.routes import bp as trail_blueprint
from .routing import LazyRule
from .service import Service
from .sessions.activity import ActivityLog, ActivityThread
from .sessions.background import DaemonThread
from .sessions.denylist import Denylist
from .sessions.guard import Guard
from .sessions.listening import Hearing, ListenerThread
from .sessions.probing import ProbeThread
from .sessions.pulse import Pulse, PulseThread
from .sessions.runtime import EXTENSION as RUNTIME
from .sessions.runtime import Runtime

OWN_SESSIONS_KEPT = 2048


def create_app(settings: Settings | None = None, *, background: bool = True) -> Flask:
    """Build the application: the composition root, and nothing else.

    With `background=False` no thread is started: pulse and activity are called by hand. Raises
    UnsafeSettings with one sentence for the operator.
    """
    app = Service(__name__, static_folder=None)
    app.url_rule_class = LazyRule
    settings = settings or Settings.load(Path(app.instance_path))
    if not settings.redis_url:  # in development only: production demands one
        url = embedded.borrow(Path(app.instance_path))
        settings = settings.model_copy(update={"redis_url": url})
    logs.configure(settings.log_level)
    app.extensions["carelink.settings"] = settings
    app.json = FastJson(app)
    _bind_extensions(app, settings)
    threads = _wire(app, settings, background=background)
    # With the first request of any kind: only then the server has forked.
    telling = Telling(logs.request_logger(settings.log_level))
    threads += (DaemonThread("telling", telling.run).ensure_running,)
    web.init_app(app, settings, telling, on_arrival=threads if background else ())
    errors.register(app)
    api.register_blueprint(auth_blueprint)
    api.register_blueprint(own_blueprint)
    api.register_blueprint(jwks_blueprint)
    for blueprint in clinical_blueprints:
        api.register_blueprint(blueprint)
    api.register_blueprint(operations_blueprint)
    api.register_blueprint(accounts_blueprint)
    api.register_blueprint(trail_blueprint)
    app.register_blueprint(docs_blueprint)
    app.register_blueprint(pages_blueprint)
    app.register_blueprint(ops_blueprint)
    app.register_blueprint(metrics_blueprint)
    cli.register(app)
    return app


def _bind_extensions(app: Flask, settings: Settings) -> None:
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_content_length,
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_database_uri,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.sqlalchemy_database_uri),
        API_TITLE="CareLink API",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.url_map.converters |= {"sid": SidConverter, "id": IdConverter}
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(__file__).parent / "migrations"))
    api.init_app(app)
    api.register_converter(IdConverter, lambda _: IdConverter.schema)
    api.register_converter(
        SidConverter, lambda _: {"type": "string", "pattern": SidConverter.pattern}
    )


def _wire(app: Flask, settings: Settings, *, background: bool) -> tuple[Callable[[], None], ...]:
    """Build the core's parts once and hand each what it needs; return what starts the threads."""
    auth_tokens.init_app(app, settings)
    tokens = auth_tokens.TokenService(settings)
    keys = RingKeeper(settings, key_ring(settings), tokens.replace_ring)
    client = redis_client.build(settings.redis_url)
    denylist = Denylist(client, leeway=settings.leeway)
    pulse = Pulse(background_engine(settings.sqlalchemy_database_uri), keys.learn)
    off_request = background_engine(settings.sqlalchemy_database_uri)
    activity, refusals = ActivityLog(off_request), RefusalCounts(off_request)

    beating, probing = PulseThread(pulse), ProbeThread(denylist)
    writing = ActivityThread(activity, lambda: refusals.flush(clock.now()))
    hearing = Hearing(pulse) if settings.denylist_check == "memory" else None
    look = beating.look if background else pulse.beat
    tokens.follow(lambda: pulse.is_fresh() or look())

    app.extensions[KEYS] = keys
    app.extensions[auth_tokens.EXTENSION] = tokens
    refusal_counts.init_app(app, refusals)
    app.extensions[MINUTE_COUNTS] = MinuteCounts()
    app.extensions[LIVE_COUNTS] = LiveCounts()
    app.extensions[PASSWORDS] = PasswordHasher(settings)
    app.extensions[ALSO_EXPIRES] = (note_ends,)
    app.extensions[RUNTIME] = Runtime(
        denylist=denylist,
        pulse=pulse,
        activity=activity,
        hearing=hearing,
        guard=Guard(denylist, pulse, look, hearing),
        verify_access=tokens.verify_access,
        ring=lambda: tokens.ring,
        own_sessions=BoundedCache(OWN_SESSIONS_KEPT),
    )
    throttles.init_app(app, settings, client, auth_blueprint.name)
    ears = [ListenerThread(client, hearing).ensure_running] if hearing is not None else []
    return beating.ensure_running, probing.ensure_running, writing.ensure_running, *ears
