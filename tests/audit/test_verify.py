"""Whatever is done to a sealed trail, `audit verify` says what and where."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import LargeBinary, Table, delete, insert, select, text, update
from sqlalchemy.orm import Session as Sql

from carelink_api.audit import chain, sealing
from carelink_api.audit.erasing import erase_events
from carelink_api.audit.keys import AuditKey, AuditKeys
from carelink_api.audit.models import AuditBlock, AuditCheckpoint, AuditedPatient, AuditEvent
from carelink_api.audit.stored import block_in
from tests.audit.trail import Trail, Unguarded
from tests.ops.commands import sqlite_only

STRANGER = AuditKey(b"somebody else's secret, 32 bytes")


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    """Three blocks of ten events, each with a checkpoint inside and outside."""
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.grow(10, 10, 10)
    return trail


def test_an_untouched_trail_is_whole(trail: Trail) -> None:
    report = trail.verify()
    assert report.ok
    assert (report.events, report.blocks, report.first_seq, report.last_seq) == (30, 3, 1, 30)
    assert (report.checkpoints, report.outside, report.unsealed) == (3, 3, 0)
    trail.write(4)
    assert (trail.verify().ok, trail.verify().unsealed) == (True, 4)


# One bit of one column.


def flipped(value: Any, kind: Any) -> Any:
    """Return a value with its lowest bit changed; None where there was something, and back."""
    match value:
        case None:
            return bytes(32) if isinstance(kind, LargeBinary) else 1
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case bool() | int():
            return value ^ 1
        case "grown":
            return "pruned"
        case str():
            return value[:-1] + chr(ord(value[-1]) ^ 1)
        case dict():
            return value | {"basis": "tnit"}
        case _:
            return value + timedelta(microseconds=1)


COVERED = [
    (model, column.name)
    for model in (AuditEvent, AuditBlock, AuditCheckpoint, AuditedPatient)
    for column in model.__table__.columns
    if (model, column.name) != (AuditCheckpoint, "id")  # a row number, of which nothing is said
]


def test_one_bit_of_any_column_is_found(trail: Trail, sql: Sql) -> None:
    for model, name in COVERED:
        table = model.__table__
        assert isinstance(table, Table)
        key = list(table.primary_key)[-1]
        at = {"audit_events": 15, "audited_patients": 15, "audit_blocks": 2}.get(table.name)
        at = at or sql.scalar(select(key).order_by(key).offset(1).limit(1))
        value = sql.scalar(select(table.c[name]).where(key == at))
        # The lowest bit of a key would name a neighbour, who is there.
        new = value ^ 64 if name == key.name else flipped(value, table.c[name].type)
        change(trail, update(table).where(key == at).values({name: new}))
        found = trail.faults()
        assert found, (table.name, name)
        if table.name == "audit_events" and name != "id":
            assert found == [("altered", 15)], name
        where = at if name != key.name else new
        change(trail, update(table).where(key == where).values({name: value}))
        assert trail.faults() == [], (table.name, name)


def change(trail: Trail, statement: Any) -> None:
    with Unguarded(trail.sql):
        trail.sql.execute(statement)
        trail.sql.commit()


def test_what_somebody_said_is_covered_too(trail: Trail) -> None:
    event = trail.sql.get_one(AuditEvent, 12)
    assert event.detail
    said = event.detail | {"why": "another reason"}
    trail.sql.rollback()
    change(trail, update(AuditEvent).where(AuditEvent.id == 12).values(detail=said))
    assert trail.faults() == [("altered", 12)]


# Events.


def test_two_events_that_changed_places_are_named(trail: Trail) -> None:
    trail.attack(
        "DELETE FROM audited_patients",
        "UPDATE audit_events SET id = 1000 WHERE id = 14",
        "UPDATE audit_events SET id = 14 WHERE id = 16",
        "UPDATE audit_events SET id = 16 WHERE id = 1000",
    )
    found = [each for each in trail.faults() if each[1] in (14, 16)]
    assert found == [("reordered", 14), ("reordered", 16)]


def test_an_event_that_is_gone_is_named(trail: Trail) -> None:
    trail.attack("DELETE FROM audit_events WHERE id = 17")
    assert trail.faults() == [("missing", 17)]


def test_an_event_that_was_put_in_afterwards_is_named(trail: Trail) -> None:
    trail.write(1)
    trail.attack(
        "UPDATE audit_events SET recorded_at = '2020-01-01 00:00:00+00' WHERE id = 31"
        if trail.sql.get_bind().dialect.name == "postgresql"
        else "UPDATE audit_events SET recorded_at = '2020-01-01 00:00:00.000000' WHERE id = 31"
    )
    (found,) = trail.verify().faults
    assert (found.fault, found.event_id) == ("inserted", 31)
    trail.seal()  # the housekeeper seals it where it belongs: at the end
    assert trail.faults() == [("inserted", 31)]


def test_a_patient_added_to_an_event_is_found(trail: Trail) -> None:
    change(trail, insert(AuditedPatient).values(patient_id=8, event_id=13))
    assert trail.faults() == [("altered", 13)]


def test_an_event_that_was_erased_without_a_word_is_found(trail: Trail) -> None:
    erase_events(trail.sql, 3)
    trail.sql.commit()
    assert trail.faults() == [("erased_untold", 2)]


# Blocks.


def test_a_block_that_is_gone_is_named(trail: Trail) -> None:
    trail.attack("DELETE FROM audit_blocks WHERE number = 2")
    assert trail.faults()[0] == ("block_missing", 11)


def test_the_first_blocks_cannot_go_as_if_they_had_been_purged(trail: Trail) -> None:
    trail.attack(
        "DELETE FROM audit_blocks WHERE number = 1", "DELETE FROM audit_events WHERE id < 11"
    )
    assert trail.faults()[0] == ("block_missing", 1)
    trail.attack("UPDATE audit_checkpoints SET kind = 'pruned' WHERE block = 1")
    assert trail.faults()[0] == ("block_missing", 1)


def test_two_blocks_that_changed_places_are_found(trail: Trail) -> None:
    trail.attack(
        "UPDATE audit_blocks SET number = 99 WHERE number = 1",
        "UPDATE audit_blocks SET number = 1 WHERE number = 2",
        "UPDATE audit_blocks SET number = 2 WHERE number = 99",
    )
    assert ("block_altered", 11) in trail.faults()


def test_an_event_in_two_blocks_is_found(trail: Trail) -> None:
    trail.sql.execute(text("INSERT INTO audit_gaps VALUES (21, 21)"))
    trail.sql.commit()
    trail.seal()
    assert "sealed_twice" in {name for name, _ in trail.faults()}


def test_a_lost_list_of_what_is_open_is_made_anew(trail: Trail) -> None:
    trail.sql.execute(text("DELETE FROM audit_gaps"))
    trail.sql.commit()
    trail.grow(5)
    assert trail.faults() == []


# The end of the trail, and another trail.


def cut(number: int) -> list[str]:
    last = number * 10
    return [
        f"DELETE FROM audit_blocks WHERE number > {number}",
        f"DELETE FROM audit_checkpoints WHERE block > {number}",
        f"DELETE FROM audit_events WHERE id > {last}",
        f"DELETE FROM audited_patients WHERE event_id > {last}",
    ]


def test_a_cut_tail_is_told_by_the_outside(trail: Trail) -> None:
    trail.attack(*cut(2))
    assert trail.faults(outside=False) == []  # nothing in the database knows of it
    assert trail.faults() == [("cut", 21)]


def test_a_cut_tail_of_which_the_database_still_knows(trail: Trail) -> None:
    trail.attack(
        "DELETE FROM audit_blocks WHERE number = 3", "DELETE FROM audit_events WHERE id > 20"
    )
    assert trail.faults(outside=False) == [("cut", 21)]


def test_a_restored_backup_that_went_on_is_told_by_the_outside(trail: Trail) -> None:
    trail.attack(*cut(2), "DELETE FROM audit_gaps")
    trail._next_id = 21
    trail.grow(10, 10)
    assert trail.faults(outside=False) == []
    assert trail.faults() == [("forked", 30)]


def rewrite(trail: Trail, key: AuditKey, *, claimed: str | None = None) -> None:
    """Change event 5, and seal the whole trail anew as if it had always been so."""
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
    kept = [block_in(row) for row in trail.sql.execute(select(AuditBlock.__table__))]
    with Unguarded(trail.sql):
        trail.sql.execute(delete(AuditBlock))
        trail.sql.execute(text("DELETE FROM audit_gaps"))
        trail.sql.commit()
    sealer_keys = AuditKeys(key, {})
    before = chain.BLOCK_EVENTS
    for block in kept:
        sealing.BLOCK_EVENTS = block.size
        try:
            assert sealing.Sealer(sealer_keys).seal_block(trail.sql, block.sealed_at)
        finally:
            sealing.BLOCK_EVENTS = before
    if claimed:
        with Unguarded(trail.sql):
            head = chain.GENESIS
            for row in trail.sql.execute(select(AuditBlock.__table__)).all():
                block = replace(block_in(row), key_id=claimed, previous=head)
                head = block.head()
                trail.sql.execute(
                    update(AuditBlock)
                    .where(AuditBlock.number == block.number)
                    .values(key_id=claimed, previous=block.previous, head=head,
                            seal=chain.seal(key.mac, head))
                )  # fmt: skip
            trail.sql.commit()


def names(trail: Trail, **options: Any) -> set[str]:
    return {name for name, _ in trail.faults(**options)}


def test_a_chain_written_anew_without_the_key(trail: Trail) -> None:
    rewrite(trail, STRANGER, claimed=trail.keys.current.id)
    assert trail.faults()[0] == ("rewritten", 1)


def test_a_chain_written_anew_under_another_key(trail: Trail) -> None:
    rewrite(trail, STRANGER)
    assert "unknown_key" in names(trail)
    assert "forked" in names(trail)


def test_a_chain_written_anew_with_the_key_is_told_by_the_checkpoints(trail: Trail) -> None:
    rewrite(trail, trail.keys.current)
    assert trail.faults(outside=False) == [("forked", 10), ("forked", 20), ("forked", 30)]
    with Unguarded(trail.sql):
        trail.sql.execute(delete(AuditCheckpoint))
        trail.sql.commit()
    assert names(trail, outside=False) == set()  # who has key and database has everything
    assert names(trail) == {"forked"}


def test_a_forged_checkpoint_is_found(trail: Trail) -> None:
    lines = trail.outside.read_text().replace('"seq":20', '"seq":21')
    trail.outside.write_text(lines)
    assert names(trail) == {"checkpoint_forged"}


# Keys.


def test_another_key_goes_on_where_the_last_one_ended(trail: Trail) -> None:
    old, new = trail.keys.current, AuditKey(b"the key of the coming year, 32 b")
    both = AuditKeys(new, {key.id: key for key in (old, new)})
    trail.write(10)
    trail.seal(both)
    assert trail.faults(keys=both) == []
    alone = AuditKeys(new, {new.id: new})
    report = trail.verify(keys=alone)
    assert (report.ok, report.unknown_keys) == (True, 3)
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
    assert trail.faults(keys=alone) == [("altered", 5)]
    assert names(trail, keys=AuditKeys(old, {old.id: old})) >= {"unknown_key"}


@sqlite_only
def test_a_block_s_size_is_small(trail: Trail) -> None:
    trail.grow(1000)
    block = trail.sql.get_one(AuditBlock, 4)
    assert (block.ids, len(block.marks)) == ("31-1030", 8000)
