"""verifications of the audit trail, and a chore that makes them"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
DIGEST = sa.LargeBinary(length=32)


def upgrade() -> None:
    op.create_table(
        "audit_verifications",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(length=40), nullable=False),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("through_block", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", DIGEST, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("faults", sa.JSON(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("seal", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_verifications")),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO chores (name) VALUES ('verify')")


def downgrade() -> None:
    op.execute("DELETE FROM chores WHERE name = 'verify'")
    op.drop_table("audit_verifications")
