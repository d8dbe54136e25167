"""logins before a time are refused: for a database that was restored"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "change_counter",
        sa.Column("refuse_logins_before", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_column("change_counter", "refuse_logins_before")
