"""when each chore of the housekeeper was last done, and whose turn it is"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NAMES = ("expire", "publish", "compare", "seal", "sign", "ship", "prune", "forget")


def upgrade() -> None:
    chores = op.create_table(
        "chores",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("held_by", sa.String(length=40), nullable=True),
        sa.Column("succeeded_at", TIME, nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("mark", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
    )
    op.bulk_insert(chores, [{"name": name} for name in NAMES])


def downgrade() -> None:
    op.drop_table("chores")
