"""Fields that more than one blueprint reads: strict, bounded, and documented as they are."""

import re
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import marshmallow as ma
from werkzeug.routing import BaseConverter

MAX_ID = 999_999_999
_DAY = r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}"
_YEAR = r"(19|20|21)[0-9]{2}"
_DATE = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|((19|20|21)(0[48]|[2468][048]|[13579][26])|2000)-02-29)"
)
_MOMENT = (
    rf"{_DATE}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,9}})?"
    r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)


class IdConverter(BaseConverter):
    """A path part that can be an id; anything else is 404 before a view runs."""

    regex = "[1-9][0-9]{0,8}"
    schema: ClassVar = {"type": "integer", "minimum": 1, "maximum": MAX_ID}

    def to_python(self, value: str) -> int:
        return int(value)


class Id(ma.fields.Integer):
    """An id in a body: a whole JSON number, and no text that looks like one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=ma.validate.Range(1, MAX_ID), **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if type(value) not in (int, float):
            raise self.make_error("invalid", input=value)
        # 7.0 is whole, too: JSON does not tell it from 7.
        whole = int(value) if value == value // 1 else value
        return super()._deserialize(whole, *args, **kwargs)


class QueryInteger(ma.fields.Integer):
    """A whole number in a query, where everything is text."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        # What a client writes for 7.0 is whole, too: JSON does not tell it from 7.
        whole = value.removesuffix(".0") if isinstance(value, str) else value
        return super()._deserialize(whole, *args, **kwargs)


def query_id(description: str) -> QueryInteger:
    """Return the field of an id in a query."""
    return QueryInteger(
        validate=ma.validate.Range(1, MAX_ID), metadata={"description": description}
    )


class Day(ma.fields.Date):
    """A day as `YYYY-MM-DD` and nothing else ISO 8601 allows, in centuries that mean something."""

    def __init__(self, *, description: str = "A day, YYYY-MM-DD.", **kwargs: Any) -> None:
        shown = {"description": description, "pattern": f"^{_DAY}$"}
        super().__init__(metadata=shown, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(_DAY, value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **kwargs)


class Moment(ma.fields.String):
    """A time in a body: RFC 3339 with its offset, never a wall's time without one.

    Documented by its pattern alone: the format `date-time` would admit times of other centuries.
    """

    def __init__(self, *, description: str = "RFC 3339, with an offset.", **kwargs: Any) -> None:
        shown = {"description": description, "pattern": f"^{_MOMENT}$"}
        super().__init__(metadata=shown, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            if not re.fullmatch(_MOMENT, text):
                raise ValueError("no RFC 3339")
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:  # or the 30th of February
            raise ma.ValidationError("Not a valid time: RFC 3339, with an offset.") from None


class ChangeArgs(ma.Schema):
    """Body of a change: what is not sent stays, and something is sent."""

    @ma.validates_schema
    def _demand_something(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ma.ValidationError("Name something to change.")
