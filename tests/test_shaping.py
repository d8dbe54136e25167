"""Answers are shaped as marshmallow would, by every schema of the application."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import marshmallow as ma
import orjson
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from carelink_api.api import JSON_OPTIONS, Time
from carelink_api.shaping import shape_of
from tests.auth.helpers import SQLITE

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=ZONES)


class Inner(ma.Schema):
    id = ma.fields.Integer()
    at = Time(allow_none=True)


class Every(ma.Schema):
    """Every kind of field that an answer has, and every way to say where its value comes from."""

    number = ma.fields.Integer()
    share = ma.fields.Float(allow_none=True)
    text = ma.fields.String()
    yes = ma.fields.Boolean()
    day = ma.fields.Date(allow_none=True)
    at = Time(required=True)
    inner = ma.fields.Nested(Inner, allow_none=True)
    inners = ma.fields.Nested(Inner, many=True)
    items = ma.fields.List(ma.fields.Nested(Inner))
    times = ma.fields.List(Time())
    names = ma.fields.List(ma.fields.String())
    table = ma.fields.Dict(keys=ma.fields.String(), values=Time())
    renamed = ma.fields.String(data_key="other-name", attribute="elsewhere")
    preset = ma.fields.String(dump_default="preset")
    secret = ma.fields.String(load_only=True)


INNER = st.fixed_dictionaries({"id": st.integers(0, 2**31)}, optional={
    "at": st.none() | TIMES, "secret": st.text(max_size=3)})  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
# A mapping without `items` has a method of that name, which marshmallow would show.
EVERY = st.fixed_dictionaries({"items": st.lists(INNER, max_size=2)}, optional={
    "number": st.integers(0, 2**31), "share": st.none() | st.floats(0, 1e6), "text": TEXT,
    "yes": st.booleans(), "day": st.none() | st.dates(), "at": TIMES, "inner": st.none() | INNER,
    "inners": st.lists(INNER, max_size=2),
    "times": st.lists(TIMES, max_size=2), "names": st.lists(TEXT, max_size=2),
    "table": st.dictionaries(TEXT, TIMES, max_size=2), "elsewhere": TEXT, "preset": TEXT,
    "secret": TEXT, "more": TEXT})  # fmt: skip


def written(shown: Any) -> bytes:
    return orjson.dumps(shown, option=JSON_OPTIONS)


@settings(deadline=None)
@given(EVERY)
def test_what_goes_out_is_what_marshmallow_would_let_out(value: dict[str, Any]) -> None:
    as_marshmallow = written(Every().dump(value))
    assert written(shape_of(Every())(value)) == as_marshmallow
    assert written(shape_of(Every())(SimpleNamespace(**value))) == as_marshmallow


def test_a_schema_with_a_hook_keeps_it() -> None:
    class Hooked(Inner):
        @ma.post_dump
        def _count(self, shown: dict[str, Any], **_: Any) -> dict[str, Any]:
            return shown | {"members": len(shown)}

    assert shape_of(Hooked())({"id": 1}) == {"id": 1, "members": 1}


def _shown(app: Flask) -> Iterator[type[ma.Schema]]:
    """Yield every schema of the application that is no query and no body."""
    waiting = [ma.Schema]
    while waiting:
        for found in waiting.pop().__subclasses__():
            waiting.append(found)
            if found.__module__.startswith("carelink_api.") and found.__name__.endswith("Schema"):
                yield found


@SQLITE
def test_every_schema_of_the_application_can_be_shaped(app: Flask) -> None:
    schemas = list(_shown(app))
    assert len(schemas) > 30
    for schema in schemas:
        assert shape_of(schema())(SimpleNamespace()) == schema().dump(SimpleNamespace())


@pytest.mark.parametrize("missing", [None, {}])
def test_nothing_stays_nothing(missing: Any) -> None:
    assert shape_of(Every())({"items": [], "inner": missing}) == Every().dump(
        {"items": [], "inner": missing}
    )
