"""events are erased by who owns the tables alone, and each erasure is found at once"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ERASURES = sa.text("event = 'user:erased'")


def upgrade() -> None:
    op.create_index(
        "ix_audit_events_erasures",
        "audit_events",
        ["recorded_at"],
        sqlite_where=ERASURES,
        postgresql_where=ERASURES,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_erase_only(_OWNER_ALONE))


def downgrade() -> None:
    op.drop_index("ix_audit_events_erasures", "audit_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_erase_only(""))


_OWNER_ALONE = """
    OR NOT pg_has_role(
      current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')"""


def _erase_only(also: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION carelink_audit_erase_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE expected audit_events := OLD;
BEGIN
  expected.address = NULL;
  expected.salt = NULL;
  expected.commitment = NEW.commitment;
  expected.detail = NEW.detail;
  IF OLD.commitment IS NOT NULL OR length(NEW.commitment) IS DISTINCT FROM 32
    OR NEW.detail::jsonb IS DISTINCT FROM OLD.detail::jsonb - 'why'
    OR to_jsonb(NEW) IS DISTINCT FROM to_jsonb(expected){also}
  THEN
    RAISE EXCEPTION 'the audit trail only grows' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END$$"""
