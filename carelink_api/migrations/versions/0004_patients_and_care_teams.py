"""patients and care teams; an appointment is a patient's, who needs no account"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_patients()
    _create_care_team_members()
    op.create_table(
        "audited_patients",
        sa.Column("patient_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "event_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("patient_id", "event_id", name=op.f("pk_audited_patients")),
    )
    _give_patients_their_records()
    with op.batch_alter_table("appointments") as appointments:
        appointments.add_column(
            sa.Column("version", sa.Integer(), server_default="1", nullable=False)
        )
        appointments.create_check_constraint(op.f("ck_appointments_version"), "version >= 1")
        appointments.drop_constraint(op.f("fk_appointments_patient_id_users"), type_="foreignkey")
        appointments.create_foreign_key(
            op.f("fk_appointments_patient_id_patients"), "patients", ["patient_id"], ["id"]
        )


def downgrade() -> None:
    # Before, an appointment was an account's: those of patients without one have no place there.
    op.execute(
        "DELETE FROM appointments WHERE patient_id IN"
        " (SELECT id FROM patients WHERE user_id IS NULL)"
    )
    with op.batch_alter_table("appointments") as appointments:
        appointments.drop_constraint(
            op.f("fk_appointments_patient_id_patients"), type_="foreignkey"
        )
        appointments.drop_constraint(op.f("ck_appointments_version"), type_="check")
        appointments.drop_column("version")
    op.execute(
        "UPDATE appointments SET patient_id ="
        " (SELECT user_id FROM patients WHERE patients.id = appointments.patient_id)"
    )
    with op.batch_alter_table("appointments") as appointments:
        appointments.create_foreign_key(
            op.f("fk_appointments_patient_id_users"), "users", ["patient_id"], ["id"]
        )
    op.drop_table("audited_patients")
    op.drop_table("care_team_members")
    op.drop_table("patients")


def _create_patients() -> None:
    op.create_table(
        "patients",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mrn", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=400), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("bed", sa.String(length=10), nullable=True),
        sa.Column("admitted_at", TIME, nullable=True),
        sa.Column("discharged_at", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("discharged_at >= admitted_at", name=op.f("ck_patients_order")),
        sa.CheckConstraint("bed IS NULL OR unit_id IS NOT NULL", name=op.f("ck_patients_bed")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_patients_version")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_patients_user_id_users")),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_patients_unit_id_units")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patients")),
        sa.UniqueConstraint("mrn", name=op.f("uq_patients_mrn")),
        sa.UniqueConstraint("user_id", name=op.f("uq_patients_user_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_patients_unit_id", "patients", ["unit_id"])
    op.create_index("ix_patients_name_key_id", "patients", ["name_key", "id"])
    in_bed = sa.text("bed IS NOT NULL AND discharged_at IS NULL")
    op.create_index(
        "uq_patients_unit_id_bed",
        "patients",
        ["unit_id", "bed"],
        unique=True,
        postgresql_where=in_bed,
        sqlite_where=in_bed,
    )


def _create_care_team_members() -> None:
    table = "care_team_members"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_care_team_members_order")),
        sa.CheckConstraint(
            "role IN ('attending', 'consulting', 'nurse')", name=op.f("ck_care_team_members_role")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_care_team_members_version")),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_care_team_members_patient_id_patients")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_care_team_members_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_team_members")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_care_team_members_patient_id_user_id", table, ["patient_id", "user_id"])
    op.create_index("ix_care_team_members_user_id_ends_at", table, ["user_id", "ends_at"])


def _give_patients_their_records() -> None:
    """Open a record for each account that has been a patient, under its id: references go on."""
    connection = op.get_bind()
    accounts = connection.execute(
        sa.text(
            "SELECT id, name FROM users"
            " WHERE user_type = 'patient' OR id IN (SELECT patient_id FROM appointments)"
        )
    ).all()
    records = [
        {"id": id, "mrn": f"CL-{id}", "name": name, "key": _key(name)} for id, name in accounts
    ]
    if not records:
        return
    connection.execute(
        sa.text(
            "INSERT INTO patients (id, mrn, user_id, name, name_key, version)"
            " VALUES (:id, :mrn, :id, :name, :key, 1)"
        ),
        records,
    )
    if connection.dialect.name == "postgresql":  # SQLite counts on by itself
        op.execute("SELECT setval(pg_get_serial_sequence('patients', 'id'), MAX(id)) FROM patients")


def _key(name: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    letters = (letter for letter in apart if not unicodedata.combining(letter))
    return " ".join("".join(letters).split())[:400]
