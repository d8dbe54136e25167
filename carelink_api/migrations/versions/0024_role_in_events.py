"""as what somebody acted, in each event

A release that does not know the column takes events that have it for altered.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KEPT = ("id", "recorded_at", "event", "outcome", "reason", "actor", "user_id", "sid", "jti",
        "request_id", "route")  # fmt: skip


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("role", sa.String(length=20), nullable=True))
    if op.get_bind().dialect.name == "sqlite":  # PostgreSQL's compares whole rows
        _guard_sqlite(*KEPT, "role")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite(*KEPT)
    op.drop_column("audit_events", "role")


def _guard_sqlite(*kept: str) -> None:
    same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in kept)
    op.execute("DROP TRIGGER audit_events_no_update")
    op.execute(
        f"CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events WHEN NOT ({same}"
        " AND OLD.commitment IS NULL AND length(NEW.commitment) IS 32"
        " AND NEW.address IS NULL AND NEW.salt IS NULL"
        " AND json(NEW.detail) IS json_remove(OLD.detail, '$.why'))"
        " BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END"
    )
