"""observations by time, whosever they are: for statistics"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_observations_effective_at", "observations", ["effective_at"])


def downgrade() -> None:
    op.drop_index("ix_observations_effective_at", "observations")
