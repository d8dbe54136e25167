"""What a browser test has: a hospital on a real server, time to move, and pages under watch."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import time_machine
from flask import Flask
from playwright.sync_api import BrowserContext, ConsoleMessage, WebError

from tests.auth_helper import Account, Auth
from tests.servers import ApiServer

NODE_MODULES = Path(__file__).with_name("node_modules")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_numbers = count(1)


def find_chromium() -> str | None:
    """Return the browser that `CHROMIUM` names, or the first one on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


class MovedServer(ApiServer):
    """The API on a clock that can be moved forward."""

    app = "tests.browser.moved:app"

    def __init__(self, env: dict[str, str], **options: Any) -> None:
        super().__init__(env, **options)
        self._clock = self.folder / "clock"
        self._clock.write_text("0")
        self.env["CLOCK_FILE"] = str(self._clock)
        self.passed = 0.0

    @property
    def origin(self) -> str:
        """The server as a browser names it: only there does it keep a `__Host-` cookie."""
        return f"http://localhost:{self.port}"

    def travel(self, seconds: float) -> None:
        """Let `seconds` pass at the server, from its next request on."""
        self.passed += seconds
        scratch = self._clock.with_suffix(".new")
        scratch.write_text(str(self.passed))
        scratch.replace(self._clock)


class Hospital:
    """A server and its accounts. It is kept for the next test: make users of your own."""

    def __init__(self, server: MovedServer, app: Flask) -> None:
        self.server = server
        self.app = app

    @property
    def origin(self) -> str:
        return self.server.origin

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + timedelta(seconds=self.server.passed)

    @contextmanager
    def acting(self) -> Iterator[Auth]:
        """Act in this process, at the server's time: `create_user`, the CLI, the database."""
        with time_machine.travel(self.now(), tick=True):
            yield Auth(self.app)

    def create_user(self, user_type: str = "doctor", **columns: Any) -> Account:
        """Make a user whose address nobody else has. Nurses need a shift: others' tests may."""
        with self.acting() as auth:
            email = columns.pop("email", f"{user_type}.{next(_numbers)}@ward.example")
            return auth.create_user(email, user_type, **columns)

    def run(self, *arguments: str) -> str:
        """Run a command of the CLI, which must succeed; return what it prints."""
        with self.acting():
            result = self.app.test_cli_runner().invoke(args=list(arguments))
        assert result.exit_code == 0, result.output
        output: str = result.output
        return output

    def let_pass(self, seconds: float, *contexts: BrowserContext) -> None:
        """Let time pass at the server and in these browsers, which wake up as from sleep."""
        self.server.travel(seconds)
        for context in contexts:
            context.clock.fast_forward(round(seconds * 1000))


class Complaints:
    """What pages complain of: errors in the console (a breach of the CSP is one), uncaught ones.

    Whatever was not named by `expect` fails the test. A refused request is such an error:
    `complaints.expect("401.*/api/auth/refresh/")`.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._expected: list[str] = []

    def expect(self, *patterns: str) -> None:
        """Name what may appear, as regular expressions of text and address."""
        self._expected += patterns

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._note_message)
        context.on("weberror", self._note_error)

    @property
    def unexpected(self) -> list[str]:
        return [
            text for text in self.seen if not any(re.search(name, text) for name in self._expected)
        ]

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.seen.append(f"{message.text} {message.location.get('url', '')}")

    def _note_error(self, error: WebError) -> None:
        self.seen.append(f"uncaught: {error.error}")
