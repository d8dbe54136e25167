"""Somebody has a worker's secret and the rights of the tables' owner; nothing stands outside."""

from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api.audit.chain import Purge
from carelink_api.audit.keys import AuditKey, AuditKeys
from carelink_api.audit.models import AuditCheckpoint, AuditEvent, AuditPurge
from carelink_api.audit.stored import digests_of, events_of
from tests.audit.test_verify import names, rewrite
from tests.audit.trail import Trail, Unguarded
from tests.conftest import TEST_SETTINGS, MakeApp
from tests.ops.commands import sqlite_only

pytestmark = sqlite_only


@pytest.fixture
def filed(make_app: MakeApp, sql: Sql, tmp_path: Path) -> Trail:
    """A trail whose key has a file of its own, and no checkpoint outside."""
    file = tmp_path / "audit-key"
    file.write_text("a key that only the housekeeper has, 48 bytes.xy")
    trail = Trail(make_app(audit_key_file=str(file)), sql, tmp_path / "checkpoints.jsonl")
    trail.grow(10, 10, 10)
    return trail


def workers_key(trail: Trail) -> AuditKey:
    key = AuditKey(TEST_SETTINGS["jwt_secret_key"].encode())
    assert key.id not in trail.keys.known
    return key


def test_a_chain_rewritten_with_a_worker_s_secret_is_named(filed: Trail) -> None:
    rewrite(filed, workers_key(filed))
    with Unguarded(filed.sql):
        filed.sql.execute(delete(AuditCheckpoint))
        filed.sql.commit()
    assert names(filed, outside=False) == {"unknown_key"}
    filed.sign()  # the housekeeper vouches for nothing that it cannot check
    assert names(filed, outside=False) == {"unknown_key"}
    filed.write(3)
    with capture_logs() as said:
        filed.seal()
    assert "audit_sealed_by_others" in [line["event"] for line in said]
    assert filed.faults(outside=False) == [("unadopted", None)]


def test_a_block_of_a_worker_s_key_after_the_file_s_is_named(filed: Trail) -> None:
    key = workers_key(filed)
    filed.write(3)
    filed.seal(AuditKeys(key, {key.id: key}))
    assert "unknown_key" in names(filed)
    filed.write(3)
    filed.seal()
    assert "rewritten" in names(filed)


def test_a_purge_of_a_worker_s_key_is_forged(filed: Trail, sql: Sql) -> None:
    row = events_of(sql, [12])[12]
    (kept,) = digests_of(sql, [row])
    key = workers_key(filed)
    purge = Purge(2, "access", "12", kept or b"", filed.at, key.id)
    filed.attack("DELETE FROM audit_events WHERE id = 12")
    sql.execute(insert(AuditPurge).values(vars(purge) | {"seal": key.vouch(purge)}))
    sql.commit()
    assert names(filed) == {"purge_forged", "missing"}


def test_a_change_of_keys_is_vouched_for_while_the_old_one_is_there(filed: Trail) -> None:
    new = AuditKey(b"the key of the coming year, 32 b")
    both = AuditKeys(new, {new.id: new} | filed.keys.known)
    filed.write(3)
    filed.seal(both)
    assert filed.faults(keys=AuditKeys(new, {new.id: new})) == []
    filed.attack("DELETE FROM audit_checkpoints")
    assert filed.faults(keys=AuditKeys(new, {new.id: new}), outside=False) == [("unadopted", None)]


def test_an_adopted_block_that_is_gone_is_named(filed: Trail) -> None:
    new = AuditKey(b"the key of the coming year, 32 b")
    filed.write(3)
    filed.seal(AuditKeys(new, {new.id: new} | filed.keys.known))
    filed.attack(
        "DELETE FROM audit_blocks WHERE number = 3",
        "DELETE FROM audit_events WHERE id BETWEEN 21 AND 30",
    )
    found = names(filed, keys=AuditKeys(new, {new.id: new}), outside=False)
    assert found >= {"block_missing", "unadopted"}


def test_blocks_of_a_lost_key_are_adopted_by_somebody(
    filed: Trail, make_app: MakeApp, tmp_path: Path, sql: Sql
) -> None:
    file = tmp_path / "next-key"
    file.write_text("a key of which nobody has lost a copy, 48 bytes.")
    runner = make_app(audit_key_file=str(file)).test_cli_runner()
    new = AuditKey(file.read_bytes())
    alone = AuditKeys(new, {new.id: new})
    filed.write(3)
    filed.seal(alone)
    assert filed.faults(keys=alone, outside=False) == [("unadopted", None)]
    assert runner.invoke(args=["audit", "adopt"]).exit_code == 1
    said = runner.invoke(args=["audit", "adopt", "--yes"])
    assert (said.exit_code, "Blocks 1 to 3" in said.stdout) == (0, True)
    assert filed.faults(keys=alone, outside=False) == []
    adopted = select(AuditEvent.outcome).where(AuditEvent.event == "audit:adopted")
    assert sql.scalars(adopted).all() == ["alert"]
    own = make_app(audit_key_file=str(tmp_path / "audit-key")).test_cli_runner()
    assert "No block" in own.invoke(args=["audit", "adopt", "--yes"]).stderr
