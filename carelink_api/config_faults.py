"""What is wrong with a setting, in our own words and without its value, which may be a secret."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def malformed(error: ValidationError) -> str:
    """Return one sentence on the first fault; it starts with the setting's name."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = "__".join(str(part) for part in first["loc"]) or "settings"
    name, _, rest = where.partition("__")
    return f"{name.upper()}{'__' + rest if rest else ''} is malformed: it {_fault(first)}."


def unknown(name: str, known: Iterable[str], prefix: str) -> str:
    """Return one sentence on a name that is no setting, with the one that was probably meant."""
    for meant in get_close_matches(name.upper(), known, n=1, cutoff=0.7):
        return f"{name} is not a setting of CareLink: do you mean {prefix}{meant}?"
    return f"{name} is not a setting of CareLink; the README lists them all."


def _fault(error: ErrorDetails) -> str:
    bounds = error.get("ctx", {})
    match error["type"]:
        case "int_parsing" | "int_from_float" | "int_type":
            return "must be a whole number"
        case "greater_than_equal":
            return f"must be at least {bounds['ge']}"
        case "less_than_equal":
            return f"must be at most {bounds['le']}"
        case "literal_error":
            return f"must be {bounds['expected']}"
        case "extra_forbidden":
            return "is not a setting of CareLink"
        case "string_too_short":
            return "must not be empty"
        case _:
            return error["msg"].removeprefix("Value error, ")
