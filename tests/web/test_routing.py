"""Rules that compile what builds their URLs when one is asked for."""

from flask import Flask, url_for

from carelink_api.routing import LazyRule
from tests.auth.helpers import SQLITE

pytestmark = SQLITE


def test_every_rule_is_a_lazy_one_and_builds_its_url_all_the_same(app: Flask) -> None:
    values = {"patient_id": 7, "member_id": 8}
    assert all(isinstance(rule, LazyRule) for rule in app.url_map.iter_rules())
    with app.test_request_context():
        for _ in range(2):
            assert url_for("care_team.end_care_team_member", **values, why="a b") == (
                "/api/patients/7/care-team/8/end/?why=a+b"
            )
            assert url_for("api-docs.openapi_json") == "/api/openapi.json"
