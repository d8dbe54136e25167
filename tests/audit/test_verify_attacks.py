"""What whoever has the tables and not the key tries, and what reaches a log from outside."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api.audit import chain
from carelink_api.audit.chain import Block
from carelink_api.audit.checkpoints import read_lines
from carelink_api.audit.keys import AuditKey
from carelink_api.audit.models import AuditBlock, AuditCheckpoint
from carelink_api.audit.stored import BLOCKS, block_in, digests_of, events_of
from tests.audit.trail import Trail, Unguarded
from tests.ops.commands import sqlite_only

pytestmark = sqlite_only
STRANGER = AuditKey(b"a key that nobody here has ever had")


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.grow(10, 10, 10)
    return trail


def forge(trail: Trail, first: int) -> None:
    """Change event 25; seal the blocks from `first` on anew; leave no checkpoint that tells."""
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 25")
    with Unguarded(trail.sql):
        head = chain.GENESIS
        for row in trail.sql.execute(select(BLOCKS).order_by(BLOCKS.c.number)).all():
            block = block_in(row)
            if block.number >= first:
                block = sealed_anew(trail, block, head)
            head = block.head()
        trail.sql.execute(delete(AuditCheckpoint))
        trail.sql.commit()


def sealed_anew(trail: Trail, block: Block, previous: bytes) -> Block:
    """Seal a block as its events are now, by a key of a name that nobody knows."""
    events = events_of(trail.sql, block.event_ids())
    digests = [each or b"" for each in digests_of(trail.sql, [events[i] for i in sorted(events)])]
    block = replace(block, key_id=STRANGER.id, previous=previous,
                    marks=chain.marks(digests), root=chain.root(digests))  # fmt: skip
    written = {name: getattr(block, name) for name in Block.__dataclass_fields__}
    written |= {"head": block.head(), "seal": chain.seal(STRANGER.mac, block.head())}
    trail.sql.execute(update(AuditBlock).where(AuditBlock.number == block.number).values(written))
    return block


def test_blocks_that_were_sealed_anew_stay_forged_when_the_housekeeper_goes_on(
    trail: Trail,
) -> None:
    forge(trail, first=3)
    trail.grow(10)
    assert trail.faults(outside=False) == [("rewritten", 21)]


def test_a_chain_that_was_sealed_anew_as_a_whole_looks_like_a_change_of_keys(
    trail: Trail, app: Flask
) -> None:
    """So the housekeeper says that it seals on what it does not know, and `verify` asks when."""
    forge(trail, first=1)
    with capture_logs() as said:
        trail.grow(10)
    (told,) = [line for line in said if line["event"] == "audit_sealed_by_others"]
    assert (told["log_level"], told["number"]) == ("error", 3)
    found = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert "The first 3 blocks were sealed by keys that are not here." in found.output


@pytest.mark.parametrize(
    ("ids", "size"),
    [
        ("31-400000000040", 10),
        ("31-400000000040,5--399999999995", 10),
        ("31-2000000030", 2 * 10**9),
    ],
)
def test_a_forged_block_without_end_is_not_written_out(trail: Trail, ids: str, size: int) -> None:
    last = trail.sql.execute(select(BLOCKS).where(BLOCKS.c.number == 3)).one()
    forged = {"number": 4, "first_seq": 31, "ids": ids, "size": size, "previous": last.head}
    trail.sql.execute(insert(AuditBlock).values(dict(last._mapping) | forged))
    trail.sql.commit()
    assert ("block_altered", 31) in trail.faults()


@pytest.mark.parametrize(
    "detail", ["[1]", "7", '"why"', '{"a": 99999999999999999999999}', '{"a": "\\ud800"}']
)
def test_an_event_that_has_no_spelling_stops_neither_who_seals_nor_who_verifies(
    detail: str, trail: Trail
) -> None:
    trail.attack(f"UPDATE audit_events SET detail = '{detail}' WHERE id = 15")
    assert trail.faults() == [("altered", 15)]
    trail.write(2)
    trail.attack(f"UPDATE audit_events SET detail = '{detail}' WHERE id = 31")
    assert trail.seal() == 2
    assert trail.faults() == [("altered", 15), ("altered", 31)]


def test_who_asks_for_something_cannot_spoil_a_log_of_checkpoints(trail: Trail) -> None:
    """`X-Request-ID: audit_checkpoint` stands in a line of the log for each request."""
    lines = trail.outside.read_text()
    with trail.outside.open("a") as log:
        log.write('{"event":"request","request_id":"audit_checkpoint","status":200}\n')
        log.write('{"event":"request","route":"\\"event\\":\\"audit_checkpoint\\"","status":1}\n')
    assert len(list(read_lines(trail.outside))) == lines.count("\n") == 3
    assert trail.faults() == []
