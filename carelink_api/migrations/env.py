"""Runs the migrations on the application's own engine. `flask --app wsgi db upgrade` comes here."""

from alembic import context

from carelink_api.database import Base
from carelink_api.extensions import db


def run() -> None:
    """Migrate in one transaction per migration; SQLite rebuilds tables that it cannot alter."""
    with db.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
