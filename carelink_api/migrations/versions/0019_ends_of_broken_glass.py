"""how an emergency access has ended, and those whose end nobody has noted yet"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLE = "break_glass_grants"
ENDS = "end_reason IN ('given_back', 'ran_out', 'session_ended')"
NOT_NOTED = sa.text("ended_at IS NULL")


def upgrade() -> None:
    # As text: SQLite would make the table anew, which reviews refer to.
    op.execute(
        f"ALTER TABLE {TABLE} ADD COLUMN end_reason VARCHAR(15)"
        f" CONSTRAINT ck_{TABLE}_end_reason CHECK ({ENDS})"
    )
    op.execute(f"UPDATE {TABLE} SET end_reason = 'given_back' WHERE ended_at IS NOT NULL")  # noqa: S608 - constants
    op.create_index(
        f"ix_{TABLE}_not_ended",
        TABLE,
        ["expires_at"],
        postgresql_where=NOT_NOTED,
        sqlite_where=NOT_NOTED,
    )


def downgrade() -> None:
    op.drop_index(f"ix_{TABLE}_not_ended", TABLE)
    # What time or a session has ended had no end in the release before.
    op.execute(f"UPDATE {TABLE} SET ended_at = NULL WHERE end_reason <> 'given_back'")  # noqa: S608 - constants
    op.drop_column(TABLE, "end_reason")
