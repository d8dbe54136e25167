"""one-time codes, passwords that must be changed, and sessions whose token is in a cookie"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With defaults of the server's: the release before goes on inserting rows meanwhile.
    op.add_column("users", _flag("must_change_password"))
    op.add_column("sessions", _flag("by_cookie"))
    op.create_table(
        "one_time_codes",
        sa.Column(
            "user_id",
            sa.Integer(),
            sa.ForeignKey("users.id", name=op.f("fk_one_time_codes_user_id_users")),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_one_time_codes")),
    )


def downgrade() -> None:
    # The release before would let a password in that is only there to be changed.
    op.execute("UPDATE users SET password_hash = '!' WHERE must_change_password")
    op.drop_table("one_time_codes")
    op.drop_column("sessions", "by_cookie")
    op.drop_column("users", "must_change_password")


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
