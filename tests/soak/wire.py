"""How a simulated workstation speaks to the servers: one connection a request, which may break."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LOST = 0
"""In place of a status: the connection broke, or no answer came in time."""
TIMEOUT_SECONDS = 10.0
_AT_ONCE = 200
_READ = 65536


@dataclass(frozen=True)
class Answer:
    """What came back, and when it was asked, by the monotonic clock."""

    status: int
    body: dict[str, Any]
    sent_at: float

    @property
    def reason(self) -> str:
        return str(self.body.get("reason") or self.body.get("code") or self.status)


@dataclass
class Seen:
    """Every answer, by what was wrong when it came."""

    fault: str = "none"
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)

    def note(self, status: int, seconds: float) -> None:
        self.statuses.setdefault(self.fault, Counter())[status] += 1
        if status == 200:
            self.slowest[self.fault] = max(seconds, self.slowest.get(self.fault, 0.0))


class Wire:
    """Requests to one server, at most so many at once."""

    def __init__(self, port: int, seen: Seen) -> None:
        self._port = port
        self._seen = seen
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def post(self, path: str, address: str, body: object, **options: Any) -> Answer:
        return await self.ask("POST", path, address, body=body, **options)

    async def ask(
        self,
        method: str,
        path: str,
        address: str,
        *,
        body: object = None,
        access: str = "",
        loses: bool = False,
    ) -> Answer:
        """Ask once. `loses` drops the answer: it was done, and who asked does not know."""
        text = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: soak", f"X-Forwarded-For: {address}",
                 "Connection: close", f"Content-Length: {len(text)}"]  # fmt: skip
        if text:
            lines.append("Content-Type: application/json")
        if access:
            lines.append(f"Authorization: Bearer {access}")
        request = "\r\n".join([*lines, "", ""]).encode() + text
        async with self._places:
            sent_at = time.monotonic()
            try:
                answer = await asyncio.wait_for(self._exchange(request), TIMEOUT_SECONDS)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
                answer = LOST, b"{}"
        status, told = answer
        self._seen.note(status, time.monotonic() - sent_at)
        if loses:
            return Answer(LOST, {}, sent_at)
        return Answer(status, json.loads(told or b"{}"), sent_at)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send, and read to the end. Raises OSError, ValueError for half an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            read = bytearray()
            while part := await reader.read(_READ):
                read += part
        finally:
            writer.close()
        head, separator, body = bytes(read).partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("no answer")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        if len(body) < length:
            raise ValueError("half an answer")
        return int(head[9:12]), body
