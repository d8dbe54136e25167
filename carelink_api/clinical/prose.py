"""Text of several lines, as somebody writes about a patient."""

import re
from typing import Any

import marshmallow as ma

_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PATTERN = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"


class Prose(ma.fields.String):
    """Lines and tabs, and no other control character; bounded."""

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        bounds = ma.validate.Length(min=1, max=max_length)
        shown = {"pattern": _PATTERN}
        super().__init__(validate=[bounds, _is_text], metadata=shown, **kwargs)


def _is_text(value: str) -> None:
    if _NO_TEXT.search(value):
        raise ma.ValidationError("Holds a character that is no text.")
