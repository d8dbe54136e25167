"""events of a retention class may leave a block early, and their digests stay"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

DIGEST = sa.LargeBinary(length=32)
TABLE = "audit_purges"
REFUSED = "the audit trail only grows"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("retention_class", sa.String(length=20), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("seal", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("block", "retention_class", name=op.f(f"pk_{TABLE}")),
    )
    if op.get_bind().dialect.name == "sqlite":
        there = "EXISTS (SELECT 1 FROM audit_blocks WHERE number = OLD.block)"
        again = (  # REPLACE asks no trigger of DELETE
            "EXISTS (SELECT 1 FROM audit_purges"
            " WHERE block = NEW.block AND retention_class = NEW.retention_class)"
        )
        for act, when in (("update", "1"), ("delete", there), ("insert", again)):
            op.execute(
                f"CREATE TRIGGER {TABLE}_no_{act} BEFORE {act.upper()} ON {TABLE} WHEN {when}"
                f" BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            )
        return
    op.execute(_REMOVE_WITH_BLOCK)
    for act, each, function in (
        ("update", "ROW", "carelink_audit_refuse"),
        ("delete", "ROW", "carelink_audit_remove_with_block"),
        ("truncate", "STATEMENT", "carelink_audit_refuse"),
    ):
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_{act} BEFORE {act.upper()} ON {TABLE}"
            f" FOR EACH {each} EXECUTE FUNCTION {function}()"
        )


def downgrade() -> None:
    op.drop_table(TABLE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION carelink_audit_remove_with_block()")


_REMOVE_WITH_BLOCK = f"""
CREATE FUNCTION carelink_audit_remove_with_block() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM audit_blocks WHERE number = OLD.block) THEN
    RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN OLD;
END$$"""  # noqa: S608 - constants
