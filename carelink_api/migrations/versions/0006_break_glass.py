"""break-glass grants and their reviews"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
OUTCOMES = "outcome IN ('appropriate', 'inappropriate', 'unclear')"
REASONS = "reason_code IN ('life_threatening', 'covering', 'consultation', 'transfer', 'other')"


def upgrade() -> None:
    _create_grants()
    _create_reviews()


def downgrade() -> None:
    op.drop_table("break_glass_reviews")
    op.drop_table("break_glass_grants")


def _create_grants() -> None:
    table = "break_glass_grants"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("sid", sa.String(length=22), nullable=False),
        sa.Column("reason_code", sa.String(length=20), nullable=False),
        sa.Column("reason_text", sa.String(length=500), nullable=False),
        sa.Column("in_handoff", sa.Boolean(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("outcome", sa.String(length=15), nullable=True),
        sa.CheckConstraint("expires_at > opened_at", name=op.f("ck_break_glass_grants_order")),
        sa.CheckConstraint(REASONS, name=op.f("ck_break_glass_grants_reason_code")),
        sa.CheckConstraint(OUTCOMES, name=op.f("ck_break_glass_grants_outcome")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_break_glass_grants_user_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_break_glass_grants_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name=op.f("fk_break_glass_grants_unit_id_units")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass_grants")),
        sqlite_autoincrement=True,
    )
    for columns in (
        ["sid", "patient_id"],
        ["user_id", "opened_at"],
        ["patient_id"],
        ["outcome", "due_at"],
        ["opened_at"],
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _create_reviews() -> None:
    op.create_table(
        "break_glass_reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("grant_id", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=15), nullable=False),
        sa.Column("comment", sa.String(length=1000), nullable=False),
        sa.Column("reviewed_at", TIME, nullable=False),
        sa.CheckConstraint(OUTCOMES, name=op.f("ck_break_glass_reviews_outcome")),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["break_glass_grants.id"],
            name=op.f("fk_break_glass_reviews_grant_id_break_glass_grants"),
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["users.id"], name=op.f("fk_break_glass_reviews_reviewer_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass_reviews")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_break_glass_reviews_grant_id", "break_glass_reviews", ["grant_id"])
