"""an appointment to which the patient did not come"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admit("'booked', 'fulfilled', 'noshow', 'cancelled'")


def downgrade() -> None:
    # The release before knows no other word for what did not take place.
    op.execute("UPDATE appointments SET status = 'cancelled' WHERE status = 'noshow'")
    _admit("'booked', 'fulfilled', 'cancelled'")


def _admit(statuses: str) -> None:
    name = op.f("ck_appointments_status")
    with op.batch_alter_table(
        "appointments", table_kwargs={"sqlite_autoincrement": True}
    ) as appointments:
        appointments.drop_constraint(name, type_="check")
        appointments.create_check_constraint(name, f"status IN ({statuses})")
