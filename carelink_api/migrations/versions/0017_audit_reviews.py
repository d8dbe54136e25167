"""reviews of the audit trail, signed off"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
REFUSED = "a review that was signed off stays as it is"


def upgrade() -> None:
    op.create_table(
        "audit_reviews",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("reviewed_at", TIME, nullable=False),
        sa.Column("reviewer", sa.String(length=100), nullable=False),
        sa.Column("since", TIME, nullable=True),
        sa.Column("until", TIME, nullable=True),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("follow_up", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_reviews")),
        sqlite_autoincrement=True,
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for act in ("update", "delete", *(() if sqlite else ("truncate",))):
        begins = f"CREATE TRIGGER audit_reviews_no_{act} BEFORE {act.upper()} ON audit_reviews"
        each = "STATEMENT" if act == "truncate" else "ROW"
        op.execute(
            f"{begins} BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            if sqlite
            else f"{begins} FOR EACH {each} EXECUTE FUNCTION carelink_audit_refuse()"
        )

    if sqlite:  # REPLACE removes a row without asking the trigger of DELETE
        there = "EXISTS (SELECT 1 FROM audit_reviews WHERE id = NEW.id)"
        op.execute(
            f"CREATE TRIGGER audit_reviews_no_insert BEFORE INSERT ON audit_reviews WHEN {there}"
            f" BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )


def downgrade() -> None:
    op.drop_table("audit_reviews")
