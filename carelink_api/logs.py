"""Structured logs: one JSON object a line on standard error, without secrets.

Nothing here logs a body, a query, a header or a path with its ids; a route is named by its
template. What still slips into an exception's text is masked (ASVS 16.2.5).
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_TOKEN = re.compile(r"eyJ[\w-]{1,4096}\.[\w-]+\.?[\w=-]*")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]{0,256}:)\S{1,2048}@")
"""Up to the last @ before a space: a password may hold an @ or a /, and a host that is left out
costs less than one that is told.
"""
_NAMES = r"\w*(?:password|passwd|secret|secret_key)"
_NAMED_SECRET = re.compile(
    rf"""\b({_NAMES}['"]?\s*=\s*|{_NAMES}\\*['"]\s*:\s*)"""
    r"""(b?\\*'(?:[^'\\]|\\+[^\\]|'')*\\*(?:'|\Z)|b?\\*"(?:[^"\\]|\\+[^\\])*\\*(?:"|\Z)"""
    r"""|[^\s'"]\S*)""",
    re.IGNORECASE,
)
"""As libpq (`password='it\\'s'`), a URL's query, or Python's way of showing a dict has it."""
_SECRET_KEY = re.compile(_NAMES, re.IGNORECASE)
_SUSPECT = re.compile(r"eyJ|://|passw|secret", re.IGNORECASE)
"""Nothing else holds what is masked; most texts are looked through once and left."""
_DEEPEST = 8
_ROW = re.compile(
    r"\b(DETAIL|CONTEXT):.*?"
    r"(?=\n\[SQL|\n\(Background|\n\nThe above exception|\n\nDuring handling|\Z)",
    re.DOTALL,
)
"""What PostgreSQL tells of a row that it refuses, with the values: a patient's data."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _mask(text: str) -> str:
    if not _SUSPECT.search(text):
        return text
    text = _URL_PASSWORD.sub(r"\1***@", _TOKEN.sub("[token]", text))
    return _NAMED_SECRET.sub(r"\1***", text)


def _masked(value: Any, depth: int = 0) -> Any:
    """Return a value as it may be logged, whatever it is made of."""
    match value:
        case str():
            return _mask(value)
        case None | bool() | int() | float() | datetime():
            return value
        case dict() | list() | tuple() | set() | frozenset() if depth >= _DEEPEST:
            return "[too deep]"
        case dict():
            return {key: _masked_at(key, each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(each, depth + 1) for each in value]
        case _:
            return _mask(repr(value))  # as the renderer would show it


def _masked_at(key: Any, value: Any, depth: int) -> Any:
    named = isinstance(key, str) and _SECRET_KEY.fullmatch(key)
    return "***" if named and isinstance(value, str | bytes) else _masked(value, depth)


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask tokens and passwords in every text of the event, however deep it lies, and rows in an
    exception's.
    """
    for key, value in event.items():
        if key[:1] != "_":  # a record of the standard library's, for who renders
            event[key] = _masked_at(key, value, 0)
    if (raised := event.get("exception")) and isinstance(raised, str):
        event["exception"] = _ROW.sub(r"\1: [left out]", raised)
    return event


class _Lossy:
    """A stream that fails nobody: a full disk costs lines, not answers, nor the pulse's thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):  # there is no other place to say it
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


_LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_WHOLE_BYTES = 4096
"""So much a pipe takes in one piece, whoever else writes into it."""


def request_logger(level: str) -> Callable[[Iterable[EventDict]], None]:
    """Return what writes the one line of each request, as `configure`'s loggers would.

    Straight to the stream, which is flushed with every write: what they say has neither context nor
    exception to look for.
    """
    stream = _Lossy(sys.stderr)

    def write(events: Iterable[EventDict]) -> None:
        piece = b""
        for line in map(_request_line, events):
            if piece and len(piece) + len(line) > _WHOLE_BYTES:
                stream.write(piece.decode())
                piece = b""
            piece += line
        stream.write(piece.decode())

    return write if _LEVELS[level] <= _LEVELS["info"] else lambda _: None


def _request_line(event: EventDict) -> bytes:
    line = orjson.dumps(event, option=_LINE)
    if b"eyJ" in line or b"://" in line:
        return orjson.dumps(mask_secrets(None, "info", event), option=_LINE)
    return line


def configure(level: str) -> None:
    """Send our own and the libraries' logs through the same processors."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # frames without local variables
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Lossy(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))
