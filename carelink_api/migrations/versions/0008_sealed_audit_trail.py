"""an audit trail that only grows, and what seals it"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DIGEST = sa.LargeBinary(length=32)
REFUSED = "the audit trail only grows"
DATED = {
    "audit_events": "recorded_at",
    "audit_blocks": "sealed_at",
    "audit_checkpoints": "made_at",
}
TABLES = (*DATED, "audited_patients")
LEAST_DAYS = 180
"""Nothing younger can be removed, whatever retention somebody sets."""


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("salt", sa.LargeBinary(length=16), nullable=True))
    op.add_column("audit_events", sa.Column("commitment", DIGEST, nullable=True))
    op.create_index("ix_audited_patients_event_id", "audited_patients", ["event_id"])
    _create_blocks()
    _create_checkpoints()
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE audit_events SET salt = randomblob(16)")
        _guard_sqlite()
    else:
        op.execute(
            "UPDATE audit_events"
            " SET salt = decode(replace(gen_random_uuid()::text, '-', ''), 'hex')"
        )
        _guard_postgresql()


def downgrade() -> None:
    _drop_guards()
    for table in ("audit_checkpoints", "audit_gaps", "audit_blocks"):
        op.drop_table(table)
    op.drop_index("ix_audited_patients_event_id", "audited_patients")
    op.drop_column("audit_events", "commitment")
    op.drop_column("audit_events", "salt")


def _create_blocks() -> None:
    op.create_table(
        "audit_blocks",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.Column("root", DIGEST, nullable=False),
        sa.Column("previous", DIGEST, nullable=False),
        sa.Column("sealed_at", TIME, nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("head", DIGEST, nullable=False),
        sa.Column("seal", DIGEST, nullable=False),
        sa.CheckConstraint("number >= 1 AND size >= 1", name=op.f("ck_audit_blocks_counts")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_blocks")),
    )
    op.create_table(
        "audit_gaps",
        sa.Column("first_id", BIG, autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first_id", name=op.f("pk_audit_gaps")),
    )


def _create_checkpoints() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", DIGEST, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('grown', 'pruned')", name=op.f("ck_audit_checkpoints_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checkpoints")),
    )


def _guard_sqlite() -> None:
    young = f"OLD.{{}} > datetime('now', '-{LEAST_DAYS} days')"
    event_there = "EXISTS (SELECT 1 FROM audit_events WHERE id = OLD.event_id)"
    removable = {table: young.format(column) for table, column in DATED.items()}
    removable["audited_patients"] = event_there
    for table in TABLES:
        changed = f"NOT ({_erased_sqlite()})" if table == "audit_events" else "1"
        _trigger_sqlite(table, "update", changed)
        _trigger_sqlite(table, "delete", removable[table])
    # REPLACE removes a row without asking the trigger of DELETE.
    there = "EXISTS (SELECT 1 FROM {0} WHERE {1} = NEW.{1})".format
    _trigger_sqlite("audit_events", "insert", there("audit_events", "id"))
    _trigger_sqlite("audit_blocks", "insert", there("audit_blocks", "number"))
    _trigger_sqlite("audit_checkpoints", "insert", there("audit_checkpoints", "id"))


def _trigger_sqlite(table: str, act: str, when: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table} WHEN {when}"
        f" BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    )


def _erased_sqlite() -> str:
    kept = (
        *("id", "recorded_at", "event", "outcome", "reason", "actor", "user_id", "sid", "jti"),
        *("request_id", "route"),
    )
    same = " AND ".join(f"NEW.{column} IS OLD.{column}" for column in kept)
    return (
        f"{same} AND OLD.commitment IS NULL AND length(NEW.commitment) IS 32"
        " AND NEW.address IS NULL AND NEW.salt IS NULL"
        " AND json(NEW.detail) IS json_remove(OLD.detail, '$.why')"
    )


def _guard_postgresql() -> None:
    op.execute(_ERASE_ONLY)
    op.execute(_REFUSE)
    op.execute(_REMOVE_OLD)
    op.execute(_REMOVE_WITH_EVENT)
    removing = dict.fromkeys(DATED, "carelink_audit_remove_old")
    removing["audited_patients"] = "carelink_audit_remove_with_event"
    for table in TABLES:
        events = table == "audit_events"
        changing = "carelink_audit_erase_only" if events else "carelink_audit_refuse"
        given = f"'{DATED[table]}'" if table in DATED else ""
        for act, each, function in (
            ("update", "ROW", f"{changing}()"),
            ("delete", "ROW", f"{removing[table]}({given})"),
            ("truncate", "STATEMENT", "carelink_audit_refuse()"),
        ):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION {function}"
            )


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"


_RAISE = f"RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'insufficient_privilege';"
_REFUSE = _function("carelink_audit_refuse", f"BEGIN {_RAISE} END")
_REMOVE_OLD = _function(
    "carelink_audit_remove_old",
    f"""
BEGIN
  IF (to_jsonb(OLD) ->> TG_ARGV[0])::timestamptz > now() - interval '{LEAST_DAYS} days' THEN
    {_RAISE}
  END IF;
  RETURN OLD;
END""",
)
_REMOVE_WITH_EVENT = _function(
    "carelink_audit_remove_with_event",
    f"""
BEGIN
  IF EXISTS (SELECT 1 FROM audit_events WHERE id = OLD.event_id) THEN {_RAISE} END IF;
  RETURN OLD;
END""",  # noqa: S608 - constants
)
_ERASE_ONLY = _function(
    "carelink_audit_erase_only",
    f"""
DECLARE expected audit_events := OLD;
BEGIN
  expected.address = NULL;
  expected.salt = NULL;
  expected.commitment = NEW.commitment;
  expected.detail = NEW.detail;
  IF OLD.commitment IS NOT NULL OR length(NEW.commitment) IS DISTINCT FROM 32
    OR NEW.detail::jsonb IS DISTINCT FROM OLD.detail::jsonb - 'why'
    OR to_jsonb(NEW) IS DISTINCT FROM to_jsonb(expected)
  THEN {_RAISE}
  END IF;
  RETURN NEW;
END""",
)


def _drop_guards() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in TABLES:
        for act in ("update", "delete", "insert" if sqlite else "truncate"):
            on = "" if sqlite else f" ON {table}"
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}{on}")
    if not sqlite:
        for name in ("erase_only", "refuse", "remove_old", "remove_with_event"):
            op.execute(f"DROP FUNCTION carelink_audit_{name}()")
