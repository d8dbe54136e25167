"""a handoff that was left standing when somebody else took the patient"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admit("'pending', 'accepted', 'withdrawn', 'superseded'")


def downgrade() -> None:
    # The release before knows no other word for what nobody accepted and is over.
    op.execute("UPDATE handoffs SET status = 'withdrawn' WHERE status = 'superseded'")
    _admit("'pending', 'accepted', 'withdrawn'")


def _admit(statuses: str) -> None:
    name = op.f("ck_handoffs_status")
    with op.batch_alter_table("handoffs", table_kwargs={"sqlite_autoincrement": True}) as handoffs:
        handoffs.drop_constraint(name, type_="check")
        handoffs.create_check_constraint(name, f"status IN ({statuses})")
