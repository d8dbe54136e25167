"""Nobody has to ask: each night the new events are verified, each week all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.audit.keys import AuditKey, AuditKeys
from carelink_api.audit.models import AuditEvent, AuditVerification
from carelink_api.audit.nightly import Nightly, found_of_late, last_passes
from carelink_api.audit.passes import Pass, first_pass, next_pass
from carelink_api.audit.pruning import Pruner
from carelink_api.extensions import db, settings
from carelink_api.housekeeping.keeper import Housekeeper
from carelink_api.housekeeping.ledger import read_late
from carelink_api.housekeeping.schedule import Chore
from tests.audit.trail import Trail
from tests.ops.commands import done, done_json
from tests.ops.test_metrics import scrape
from tests.sessions.helpers import parts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def trail(app: Flask, sql: Sql, tmp_path: Path) -> Trail:
    trail = Trail(app, sql, tmp_path / "checkpoints.jsonl")
    trail.grow(10, 10, 10)
    return trail


def nightly(trail: Trail, keys: AuditKeys | None = None) -> Nightly:
    """Return one that does a block at a time."""
    late = timedelta(days=30)
    file = str(trail.outside)
    return Nightly(keys or trail.keys, "housekeeper", file=file, late=late, piece_seconds=0)


def whole_run(trail: Trail, at: datetime, keys: AuditKeys | None = None) -> AuditVerification:
    """Verify to the end, and return what was stored of it."""
    keeper = nightly(trail, keys)
    while keeper.go_on(trail.sql, at)[1]:
        pass
    return newest(trail.sql)


def newest(sql: Sql) -> AuditVerification:
    sql.rollback()
    sql.expire_all()
    return sql.scalars(select(AuditVerification).order_by(AuditVerification.id.desc())).first()  # type: ignore[return-value]


def more(trail: Trail, count: int) -> None:
    """Write so many events, and seal them with what verifying has left."""
    trail._next_id = trail.sql.scalars(select(func.max(AuditEvent.id))).one() + 1
    trail.write(count)
    trail.seal()


def told(row: AuditVerification) -> tuple[bool, int, int, bool]:
    return row.whole, row.events, row.found, row.finished_at is not None


def test_the_first_looks_into_all_and_the_next_into_what_is_new(app: Flask, trail: Trail) -> None:
    now = clock.now()
    with app.app_context():
        assert told(whole_run(trail, now)) == (True, 30, 0, True)
        more(trail, 5)
        assert told(whole_run(trail, now + DAY)) == (False, 6, 0, True)
        assert told(whole_run(trail, now + 6 * DAY)) == (False, 0, 0, True)
        assert told(whole_run(trail, now + 7 * DAY)) == (True, 36, 0, True)
        events = trail.sql.scalars(
            select(AuditEvent).where(AuditEvent.event == "audit:verified").order_by(AuditEvent.id)
        ).all()
    assert [(each.detail or {})["events"] for each in events] == [30, 6, 0, 36]
    assert {(each.outcome, each.actor) for each in events} == {("success", "housekeeper")}


def test_whoever_is_killed_is_gone_on_from(app: Flask, trail: Trail) -> None:
    now = clock.now()
    with app.app_context():
        trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
        killed = nightly(trail)
        assert killed.go_on(trail.sql, now) == (10, True)
        assert killed.go_on(trail.sql, now) == (10, True)
        row = newest(trail.sql)
        assert (row.through_block, row.events, row.found) == (2, 20, 1)
        assert found_of_late(trail.sql) == 1  # as soon as it is found
        trail.attack("UPDATE audit_events SET outcome = 'success' WHERE id = 5")
        after = whole_run(trail, now + HOUR)
        assert (after.id, *told(after)) == (row.id, True, 30, 1, True)
        assert [each["seq"] for each in after.faults] == [5]


def test_whoever_finds_that_another_has_finished_begins_anew(app: Flask, trail: Trail) -> None:
    now = clock.now()
    with app.app_context():
        stopped, other = nightly(trail), nightly(trail)
        stopped.go_on(trail.sql, now)
        while other.go_on(trail.sql, now + HOUR)[1]:
            pass
        more(trail, 5)
        while stopped.go_on(trail.sql, now + DAY)[1]:
            pass
        assert told(newest(trail.sql)) == (False, 6, 0, True)
        count = select(func.count()).select_from(AuditEvent)
        assert trail.sql.scalar(count.where(AuditEvent.event == "audit:verified")) == 2


@pytest.mark.parametrize("faults", ["[99999999999999999999999]", '["\\ud800"]', "null", "7"])
def test_what_somebody_writes_among_verifications_keeps_nobody_from_verifying(
    faults: str, app: Flask, trail: Trail
) -> None:
    columns = ("whole, actor, began_at, finished_at, through_block, last_seq, head, events, found,"
               " key_id, seal")  # fmt: skip
    with app.app_context():
        whole_run(trail, clock.now())
        copied = (
            f"INSERT INTO audit_verifications (faults, {columns})"
            f" SELECT CAST(CAST(:faults AS TEXT) AS JSON), {columns} FROM audit_verifications"
        )
        if trail.sql.get_bind().dialect.name == "sqlite":
            copied = copied.replace("CAST(CAST(:faults AS TEXT) AS JSON)", ":faults")
        trail.sql.execute(text(copied), {"faults": faults})
        trail.sql.commit()
        assert told(whole_run(trail, clock.now() + DAY))[2:] == (0, True)


def test_what_has_found_something_is_followed_by_a_whole_one_until_all_is_well(
    app: Flask, trail: Trail
) -> None:
    now = clock.now()
    with app.app_context():
        whole_run(trail, now)
        more(trail, 5)
        trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 33")
        assert told(whole_run(trail, now + DAY)) == (False, 6, 1, True)
        assert found_of_late(trail.sql) == 1
        trail.attack("UPDATE audit_events SET outcome = 'success' WHERE id = 33")
        assert told(whole_run(trail, now + 2 * DAY)) == (True, 36, 0, True)
        assert found_of_late(trail.sql) == 0
        alerts = select(AuditEvent.outcome).where(AuditEvent.event == "audit:verified")
        outcomes = trail.sql.scalars(alerts.order_by(AuditEvent.id)).all()
    assert outcomes == ["success", "alert", "success"]


def test_an_old_block_sealed_anew_is_found_each_night(app: Flask, trail: Trail) -> None:
    with app.app_context():
        whole_run(trail, clock.now())
        trail.attack("UPDATE audit_blocks SET root = head WHERE number = 2")
        found = whole_run(trail, clock.now() + DAY)
    assert (found.whole, found.faults[0]["fault"]) == (False, "block_altered")


def test_a_tail_cut_after_the_last_verification_is_found_without_checkpoints(
    app: Flask, trail: Trail
) -> None:
    trail.outside.unlink()
    with app.app_context():
        keeper = Nightly(trail.keys, "housekeeper", late=30 * DAY)
        assert keeper.go_on(trail.sql, clock.now()) == (30, False)
        trail.attack(
            "DELETE FROM audit_blocks WHERE number = 3",
            "DELETE FROM audit_checkpoints WHERE block = 3",
            "DELETE FROM audit_events WHERE id > 20",
            "DELETE FROM audited_patients WHERE event_id > 20",
        )
        keeper.go_on(trail.sql, clock.now() + DAY)
        assert [each["fault"] for each in newest(trail.sql).faults] == ["cut"]


def test_nobody_without_the_key_says_that_all_was_verified(app: Flask, trail: Trail) -> None:
    now = clock.now()
    with app.app_context():
        whole_run(trail, now)
        more(trail, 5)
        trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 33")
        whole = update(AuditVerification).values(through_block=4, last_seq=36)
        trail.sql.execute(whole)
        trail.sql.commit()
        assert told(whole_run(trail, now + DAY)) == (True, 36, 1, True)


def test_a_new_key_believes_no_older_verification(app: Flask, trail: Trail) -> None:
    new = AuditKey(b"the key of the coming year, 32 b")
    both = AuditKeys(new, {key.id: key for key in (trail.keys.current, new)})
    with app.app_context():
        whole_run(trail, clock.now())
        assert told(whole_run(trail, clock.now() + DAY, both))[:2] == (True, 30)


def test_blocks_that_retention_removes_meanwhile_are_no_fault(
    app: Flask, sql: Sql, tmp_path: Path
) -> None:
    trail, now = Trail(app, sql, tmp_path / "checkpoints.jsonl"), clock.now()
    trail.at = now - 400 * DAY
    trail.grow(10, 10, 10)
    with app.app_context():
        keeper = nightly(trail)
        keeper.go_on(trail.sql, now)
        assert Pruner(trail.keys, 365 * DAY).prune(trail.sql, now).events == 20
        while keeper.go_on(trail.sql, now)[1]:
            pass
        row = newest(trail.sql)
    assert (row.faults, row.found, row.through_block) == ([], 0, 3)


def test_blocks_that_somebody_removes_meanwhile_are(app: Flask, trail: Trail) -> None:
    now = clock.now()
    with app.app_context():
        keeper = nightly(trail)
        keeper.go_on(trail.sql, now)
        trail.attack(
            "DELETE FROM audit_blocks WHERE number = 2",
            "DELETE FROM audit_events WHERE id BETWEEN 11 AND 20",
        )
        while keeper.go_on(trail.sql, now)[1]:
            pass
        assert newest(trail.sql).found > 0


def test_the_housekeeper_verifies_beside_its_other_chores(
    app: Flask, trail: Trail, runner: FlaskCliRunner, client: FlaskClient
) -> None:
    assert scrape(client)["carelink_audit_verified_timestamp_seconds", scope("whole")] == 0
    assert "None has come to its end yet" in runner.invoke(args=["doctor"]).stdout
    assert runner.invoke(args=["housekeep", "--once"]).exit_code == 0
    found = scrape(client)
    assert found["carelink_audit_verified_events", scope("whole")] == 30
    at = found["carelink_audit_verified_timestamp_seconds", scope("new")]
    assert 0 <= clock.now().timestamp() - at < 600
    assert found["carelink_audit_verification_faults", frozenset()] == 0
    assert "all of it:" in runner.invoke(args=["doctor"]).stdout
    with app.app_context():
        later = clock.now() + 26 * HOUR + timedelta(minutes=1)
        assert Chore.VERIFY not in read_late(db.session(), settings(), later - HOUR)
        assert Chore.VERIFY in read_late(db.session(), settings(), later)


def scope(name: str) -> frozenset[tuple[str, str]]:
    return frozenset({("scope", name)})


def test_what_it_finds_is_in_the_doctor_s_and_the_scraper_s_hands(
    app: Flask, trail: Trail, runner: FlaskCliRunner, client: FlaskClient
) -> None:
    trail.attack("UPDATE audit_events SET outcome = 'refused' WHERE id = 5")
    with app.app_context():
        keeper = Housekeeper(parts(app))
        while keeper.round(db.session(), clock.now()).verifying:
            pass
    assert scrape(client)["carelink_audit_verification_faults", frozenset()] == 1
    said = runner.invoke(args=["doctor"]).stdout
    assert "An event is not what was sealed. (seq 5, event 5, block 1)" in said


def test_a_command_s_verification_counts_as_a_whole_one(
    app: Flask, trail: Trail, runner: FlaskCliRunner, sql: Sql
) -> None:
    done_json(runner, "audit", "verify", "--checkpoints", str(trail.outside))
    with app.app_context():
        last = last_passes(sql)[True]
        assert (last["actor"], last["events"], last["through_block"]) == ("cli", 30, 3)
        more(trail, 5)
        assert told(whole_run(trail, clock.now() + DAY)) == (False, 6, 0, True)
    assert "All of it is whole." in done(runner, "audit", "verify")


def test_a_pass_that_never_ends_is_begun_anew() -> None:
    begun = first_pass("housekeeper", "k", AT)
    assert next_pass([begun], "housekeeper", "k", AT + 2 * DAY) is begun
    again = next_pass([begun], "housekeeper", "k", AT + 4 * DAY)
    assert (again.whole, again.began_at) == (True, AT + 4 * DAY)


def test_a_pass_from_a_clock_that_was_ahead_is_not_believed() -> None:
    ahead: Pass = replace(first_pass("housekeeper", "k", AT + DAY), finished_at=AT + DAY)
    assert next_pass([ahead], "housekeeper", "k", AT).whole


def test_an_empty_trail_is_verified_too(app: Flask, sql: Sql, runner: FlaskCliRunner) -> None:
    with app.app_context():
        keeper = Nightly(AuditKeys.from_settings(settings()), "housekeeper", late=HOUR)
        assert keeper.go_on(sql, clock.now()) == (0, False)
    assert sql.scalar(text("SELECT count(*) FROM audit_verifications")) == 1
