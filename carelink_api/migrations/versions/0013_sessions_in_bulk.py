"""indexes for very many sessions: who goes on, by user; what has ended, by time and change"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

GOES_ON = sa.text("ended_at IS NULL")
OVER = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_sessions_refuse_from", "sessions")
    op.create_index(
        "ix_sessions_refuse_from_change_number", "sessions", ["refuse_from", "change_number"]
    )
    op.drop_index("ix_sessions_ended_at_expires_at", "sessions")
    _create_partial("ix_sessions_live_expires_at", ["expires_at"], GOES_ON)
    _create_partial("ix_sessions_live_user_id_id", ["user_id", "id"], GOES_ON)
    _create_partial("ix_sessions_ended_at", ["ended_at"], OVER)
    acts = sa.text("event IN ('revocation:begun', 'revocation:finished')")
    _create_partial("ix_audit_events_of_revocations", ["id"], acts, "audit_events")


def downgrade() -> None:
    op.drop_index("ix_audit_events_of_revocations", "audit_events")
    op.drop_index("ix_sessions_ended_at", "sessions")
    op.drop_index("ix_sessions_live_user_id_id", "sessions")
    op.drop_index("ix_sessions_live_expires_at", "sessions")
    op.create_index("ix_sessions_ended_at_expires_at", "sessions", ["ended_at", "expires_at"])
    op.drop_index("ix_sessions_refuse_from_change_number", "sessions")
    op.create_index("ix_sessions_refuse_from", "sessions", ["refuse_from"])


def _create_partial(
    name: str, columns: list[str], where: sa.TextClause, table: str = "sessions"
) -> None:
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)
