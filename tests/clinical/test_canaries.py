"""What is written into records, searched for or typed in vain stands in no log and on no screen."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.models import AuditEvent
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.matrix import MATRIX
from tests.clinical.test_matrix import ABOUT_PATIENTS, Live, fresh, path_of, people, strangers
from tests.clinical.test_matrix import live as live  # a fixture
from tests.clinical.ward import Ward
from tests.logged import app as app  # a fixture
from tests.logged import stderr as stderr  # a fixture

pytestmark = SQLITE
CANARY = "canary7d2c"
FREE_TEXT = f"{CANARY} sang twice"


def planted(body: Any) -> Iterator[Any]:
    """Yield bodies with a canary in each place that takes a text, one after the other; and in one
    that is none of them.
    """
    if isinstance(body, dict):
        for name, value in body.items():
            if name != "password":
                for inner in planted(value):
                    yield body | {name: inner}
        yield body | {CANARY: CANARY}
    elif isinstance(body, list):
        for inner in planted(body[0] if body else ""):
            yield [inner]
    else:
        yield FREE_TEXT


def send(ward: Ward, account: Account, route: tuple[str, str], live: Live) -> list[int]:
    """Send the table's request with canaries in body, query and headers; return the statuses."""
    (method, rule), row = route, MATRIX[route]
    live["number"] += 1
    path, query = path_of(rule, live), row.query(live) if row.query else {}
    headers = {"Idempotency-Key": f'"{CANARY}-{live["number"]}"', "Referer": f"https://{CANARY}/",
               "User-Agent": CANARY, "X-Workstation": CANARY, "Accept-Language": CANARY,
               }  # fmt: skip
    how: dict[str, Any] = {"version": row.version, "headers": headers}
    asked = [{"query_string": {**query, name: FREE_TEXT}} for name in ("q", "code", "mrn", CANARY)]
    if row.body is not None:
        asked = [{"json": body} for body in planted(row.body(live))]
        asked.append({"data": f'{{"text": "{CANARY}', "content_type": "application/json"})
        asked.append({"data": CANARY, "content_type": f"text/{CANARY}"})
    answers = [ward.call(account, method, path, **how, **one) for one in asked]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("user_type", ["patient", "nurse", "doctor"])
def test_no_canary_of_a_clinical_input_reaches_log_screen_trail_or_redis(
    user_type: str, ward: Ward, live: Live, sql: Sql, stderr: io.StringIO,
    redis_client: redis.Redis, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tied, stranger = people(ward, live)[user_type], strangers(ward)[user_type]
    statuses: set[int] = set()
    for route in ABOUT_PATIENTS:
        for account in (tied, stranger):
            fresh(ward, live, sql)
            ward.access(account)
            statuses |= {*send(ward, account, route, live)}
    assert {422, 404} <= statuses
    assert user_type == "patient" or 201 in statuses
    assert max(statuses) < 500
    sql.rollback()
    trail = [dict(row) for row in sql.execute(select(AuditEvent.__table__)).mappings()]
    keys = [(key, redis_client.get(key)) for key in redis_client.scan_iter("carelink:revoked:*")]
    screen = capsys.readouterr()
    for place in (stderr.getvalue(), screen.out, screen.err, repr(trail), repr(keys)):
        assert CANARY not in place
        assert "canary" not in place.lower()
    assert [json.loads(line) for line in stderr.getvalue().splitlines()]
