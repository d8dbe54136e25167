"""what is written into a record: observations, handoffs with an owner, notes in versions"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_observations()
    _create_handoffs()
    op.create_table(
        "patient_owners",
        sa.Column("patient_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        _refers("patient_owners", "patient_id", "patients"),
        _refers("patient_owners", "user_id", "users"),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_patient_owners")),
    )
    op.create_index("ix_patient_owners_user_id", "patient_owners", ["user_id"])
    _create_notes()


def downgrade() -> None:
    for table in ("note_versions", "notes", "patient_owners", "handoffs", "observations"):
        op.drop_table(table)


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _create_observations() -> None:
    table = "observations"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("marked_at", TIME, nullable=True),
        sa.Column("marked_by_id", sa.Integer(), nullable=True),
        sa.Column("marked_because", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(table, "status", "status IN ('final', 'entered-in-error')"),
        _check(table, "marked", "(status = 'final') = (marked_at IS NULL)"),
        _check(table, "version", "version >= 1"),
        _refers(table, "patient_id", "patients"),
        _refers(table, "recorded_by_id", "users"),
        _refers(table, "marked_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sqlite_autoincrement=True,
    )
    in_time = ["patient_id", "effective_at", "id"]
    op.create_index("ix_observations_patient_id_effective_at", table, in_time)
    of_a_code = ["patient_id", "code", "effective_at", "id"]
    op.create_index("ix_observations_patient_id_code_effective_at", table, of_a_code)


def _create_handoffs() -> None:
    table = "handoffs"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("situation", sa.Text(), nullable=False),
        sa.Column("background", sa.Text(), nullable=False),
        sa.Column("assessment", sa.Text(), nullable=False),
        sa.Column("recommendation", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("given_by_id", sa.Integer(), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("closed_by_id", sa.Integer(), nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(table, "status", "status IN ('pending', 'accepted', 'withdrawn')"),
        _check(table, "closed", "(status = 'pending') = (closed_at IS NULL)"),
        _check(table, "accepted_by_another", "status <> 'accepted' OR closed_by_id <> given_by_id"),
        _check(table, "version", "version >= 1"),
        _refers(table, "patient_id", "patients"),
        _refers(table, "given_by_id", "users"),
        _refers(table, "closed_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoffs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_handoffs_patient_id_given_at", table, ["patient_id", "given_at", "id"])
    op.create_index("ix_handoffs_given_at", table, ["given_at", "id"])
    pending = sa.text("status = 'pending'")
    op.create_index(
        "uq_handoffs_patient_id",
        table,
        ["patient_id"],
        unique=True,
        postgresql_where=pending,
        sqlite_where=pending,
    )


def _create_notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=12), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _check(
            "notes",
            "category",
            "category IN ('progress', 'nursing', 'admission', 'discharge', 'consultation')",
        ),
        _check("notes", "version", "version >= 1"),
        _refers("notes", "patient_id", "patients"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notes_patient_id_created_at", "notes", ["patient_id", "created_at", "id"])
    op.create_table(
        "note_versions",
        sa.Column("note_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("because", sa.String(length=200), nullable=True),
        sa.Column("signed_by_id", sa.Integer(), nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        _refers("note_versions", "note_id", "notes"),
        _refers("note_versions", "signed_by_id", "users"),
        sa.PrimaryKeyConstraint("note_id", "version", name=op.f("pk_note_versions")),
    )
