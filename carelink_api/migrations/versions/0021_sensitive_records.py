"""records of staff and of persons of public interest, and which emergency access was to one"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("patients", sa.Column("staff_user_id", sa.Integer(), nullable=True))
    op.add_column(
        "patients", sa.Column("vip", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("break_glass_grants", sa.Column("concerns", sa.String(30), nullable=True))
    op.create_index("ix_break_glass_grants_unit_id", "break_glass_grants", ["unit_id", "opened_at"])


def downgrade() -> None:
    op.drop_index("ix_break_glass_grants_unit_id", "break_glass_grants")
    op.drop_column("break_glass_grants", "concerns")
    op.drop_column("patients", "vip")
    op.drop_column("patients", "staff_user_id")
