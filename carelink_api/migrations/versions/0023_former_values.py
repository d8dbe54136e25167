"""what a patient's row and an appointment said before they were changed"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "patient_versions",
        sa.Column("patient_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("bed", sa.String(length=10), nullable=True),
        sa.Column("admitted_at", TIME, nullable=True),
        sa.Column("discharged_at", TIME, nullable=True),
        *_replaced("patient_versions"),
        _refers("patient_versions", "patient_id", "patients"),
        _refers("patient_versions", "unit_id", "units"),
        sa.PrimaryKeyConstraint("patient_id", "version", name=op.f("pk_patient_versions")),
    )
    op.create_table(
        "appointment_versions",
        sa.Column("appointment_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        *_replaced("appointment_versions"),
        _refers("appointment_versions", "appointment_id", "appointments"),
        sa.PrimaryKeyConstraint("appointment_id", "version", name=op.f("pk_appointment_versions")),
    )


def downgrade() -> None:
    op.drop_table("appointment_versions")
    op.drop_table("patient_versions")


def _replaced(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("replaced_by_id", sa.Integer(), nullable=False),
        sa.Column("replaced_at", TIME, nullable=False),
        _refers(table, "replaced_by_id", "users"),
    ]


def _refers(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name)
