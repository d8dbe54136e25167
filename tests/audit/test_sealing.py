"""Every committed event is sealed exactly once, whoever seals, and whatever interrupts them."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session as Sql
from structlog.testing import capture_logs

from carelink_api import clock
from carelink_api.audit import chain, sealing
from carelink_api.audit.checkpoints import Notary, read_lines
from carelink_api.audit.keys import AuditKeys
from carelink_api.audit.models import AuditBlock, AuditCheckpoint, AuditEvent, AuditGap
from carelink_api.audit.sealing import Sealer
from carelink_api.config import UnsafeSettings
from carelink_api.housekeeping.keeper import Housekeeper
from tests.audit.trail import SECOND, Trail, verified_just_now
from tests.conftest import MakeSettings
from tests.ops.commands import done_json, sqlite_only
from tests.sessions.helpers import parts

postgres_only = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
"""SQLite has one writer at a time: nothing commits late."""


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    return Trail(app, sql, tmp_path / "checkpoints.jsonl")


def sealed_ids(sql: Sql) -> list[int]:
    spelled = sql.scalars(select(AuditBlock.ids).order_by(AuditBlock.number))
    return [each for ids in spelled for each in chain.read_ids(ids)]


def test_a_long_trail_is_sealed_in_blocks(trail: Trail, sql: Sql) -> None:
    trail.write(1000)
    trail.write(1000)
    trail.write(17)
    assert trail.seal() == 2017
    assert sealed_ids(sql) == list(range(1, 2018))
    assert trail.seal() == 0
    report = trail.verify()
    assert (report.ok, report.blocks, report.last_seq) == (True, 3, 2017)


@postgres_only
def test_an_event_that_commits_late_is_sealed_after_the_others(trail: Trail, sql: Sql) -> None:
    trail.write(2)
    event = {"recorded_at": trail.at, "event": "x", "outcome": "success"}
    with Sql(sql.get_bind()) as slow:
        slow.execute(insert(AuditEvent).values(event | {"id": 3}))
        trail._next_id = 4
        trail.write(3)
        assert trail.seal() == 5
        assert sealed_ids(sql) == [1, 2, 4, 5, 6]
        slow.commit()
    trail.write(1)
    assert trail.seal() == 2
    assert sealed_ids(sql) == [1, 2, 4, 5, 6, 3, 7]
    assert trail.faults() == []
    assert sql.scalar(select(func.count()).select_from(AuditGap)) == 1


def test_what_is_interrupted_has_sealed_nothing(
    trail: Trail, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail.write(5)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(sealing, "_remember_gaps", dies)  # after the block was inserted
        with pytest.raises(KeyboardInterrupt):
            trail.seal()
    assert sealed_ids(sql) == []
    assert trail.seal() == 5
    assert trail.faults() == []


def test_many_who_write_and_several_who_seal_make_one_chain(
    trail: Trail, sql: Sql, app: Flask
) -> None:
    engine = sql.get_bind()
    event = {"event": "x", "outcome": "success"}
    writing_ends = threading.Event()

    def write(number: int) -> None:
        with Sql(engine) as own:
            for i in range(25):
                own.execute(insert(AuditEvent).values(event | {"recorded_at": clock.now()}))
                own.rollback() if (i + number) % 5 == 0 else own.commit()

    def seal() -> None:
        with Sql(engine) as own:
            sealer = Sealer(trail.keys)
            while not writing_ends.is_set() or sealer.seal_block(own, clock.now()):
                sealer.seal_block(own, clock.now())

    writers = run_all(*[lambda number=number: write(number) for number in range(6)])
    sealers = run_all(seal, seal)
    for thread in writers:
        thread.join()
    writing_ends.set()
    for thread in sealers:
        thread.join()
    trail.seal(at=clock.now())

    sql.rollback()
    there = list(sql.scalars(select(AuditEvent.id).order_by(AuditEvent.id)))
    assert len(there) == 120
    assert sorted(sealed_ids(sql)) == there
    assert trail.faults() == []


def run_all(*tasks: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


# Checkpoints outside.


def test_a_checkpoint_stands_inside_and_outside_and_is_told(trail: Trail, sql: Sql) -> None:
    told: list[str] = []
    notary = Notary(trail.keys, SECOND, str(trail.outside), told.append)
    for i in range(3):
        trail.write(3)
        Sealer(trail.keys).seal_block(sql, trail.at)
        notary.round(sql, trail.at + i * SECOND)
    assert len(told) == sql.scalar(select(func.count()).select_from(AuditCheckpoint)) == 3
    assert trail.outside.read_text() == "".join(f"{line}\n" for line in told)
    assert json.loads(told[-1]).items() >= {"event": "audit_checkpoint", "seq": 9}.items()


def test_what_could_not_be_written_outside_is_written_later(trail: Trail, sql: Sql) -> None:
    trail.grow(2, 2)
    trail.outside.rename(trail.outside.with_suffix(".away"))
    trail.outside.mkdir()
    notary = Notary(trail.keys, SECOND, str(trail.outside), tell=lambda _: None)
    trail.write(2)
    Sealer(trail.keys).seal_block(sql, trail.at)
    with capture_logs() as said:
        notary.round(sql, trail.at)
    assert [line["event"] for line in said] == ["audit_checkpoint_not_written"]
    trail.outside.rmdir()
    trail.outside.with_suffix(".away").rename(trail.outside)
    with trail.outside.open("a") as file:
        file.write('{"event":"audit_checkpoint","bl')  # a crash in the middle of a line
    notary.round(sql, trail.at)
    assert [each.statement.seq for each in read_lines(trail.outside)] == [2, 4, 6]


def test_a_trail_that_went_back_is_said_by_the_housekeeper(trail: Trail, sql: Sql) -> None:
    trail.grow(2, 2)
    trail.attack(
        "DELETE FROM audit_blocks WHERE number = 2", "DELETE FROM audit_checkpoints WHERE block = 2"
    )
    with capture_logs() as said:
        Notary(trail.keys, SECOND, str(trail.outside), lambda _: None).round(sql, trail.at)
    assert "audit_trail_went_back" in [line["event"] for line in said]


# The housekeeper and the command.


@pytest.mark.settings(audit_seal_seconds=10, audit_checkpoint_seconds=60)
def test_the_housekeeper_seals_and_signs_every_so_often(
    app: Flask, trail: Trail, sql: Sql, capsys: pytest.CaptureFixture[str]
) -> None:
    now = clock.now()
    verified_just_now(sql)
    with app.app_context():
        keeper = Housekeeper(parts(app))
        for second, expected in ((0, 3), (5, 0), (10, 3), (59, 3)):
            trail.write(3)
            assert keeper.round(sql, now + second * SECOND).sealed - expected in (0, 3)
        keeper.round(sql, now + timedelta(seconds=61))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["grown", "grown"]


def test_the_command_says_what_it_has_found(
    app: Flask, runner: FlaskCliRunner, trail: Trail, sql: Sql
) -> None:
    trail.grow(10)
    words = ("audit", "verify", "--checkpoints", str(trail.outside))
    whole = done_json(runner, *words)
    assert (whole["ok"], whole["events"], whole["outside"]) == (True, 10, 1)
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
    result = runner.invoke(args=[*words, "--json"])
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)["faults"]
    assert (found["fault"], found["seq"], found["block"]) == ("altered", 5, 1)
    told = runner.invoke(args=list(words))
    assert "An event is not what was sealed. (seq 5, event 5, block 1)" in told.stdout
    missing = runner.invoke(args=["audit", "verify", "--checkpoints", "/nonexistent/file"])
    assert "cannot be read" in missing.stdout
    kept = sql.execute(
        select(AuditEvent.event, AuditEvent.outcome).where(AuditEvent.event == "audit:verified")
    )
    assert [outcome for _, outcome in kept] == ["success", "alert", "alert", "alert"]


# Keys.


@sqlite_only
def test_a_key_of_its_own_is_read_from_its_file(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    own, old = tmp_path / "own", tmp_path / "old"
    own.write_text("q" + "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x\n")
    old.write_text("r" + "Zk3vP0-tW8sQ1rY7uI5oA9dF2gH6jL4x\n")
    derived = AuditKeys.from_settings(make_settings()).current.id
    keys = AuditKeys.from_settings(
        make_settings(audit_key_file=str(own), audit_old_key_files=[str(old)])
    )
    assert keys.current.id != derived
    assert derived not in keys.known  # every worker has that secret
    assert keys.current.id in keys.known
    assert len(keys.known) == 2
    for text_ in ("short", "", "secret " * 9):
        own.write_text(text_)
        with pytest.raises(UnsafeSettings, match="AUDIT_KEY_FILE names a file whose secret"):
            AuditKeys.from_settings(make_settings(audit_key_file=str(own)))
    with pytest.raises(UnsafeSettings, match="cannot be read"):
        AuditKeys.from_settings(make_settings(audit_key_file=str(tmp_path / "none")))


def test_the_tables_guard_stays_when_the_tests_have_attacked(trail: Trail, sql: Sql) -> None:
    trail.grow(3)
    trail.attack("UPDATE audit_events SET outcome = 'x'")
    with pytest.raises(Exception, match="only grows"):
        sql.execute(text("DELETE FROM audit_events"))
