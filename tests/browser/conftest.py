"""One browser and one hospital per test process, and for each test contexts of its own.

`page` is a page of a fresh context; `new_context()` opens further ones, as other browsers would
be. Every context is watched: see `Complaints`.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from carelink_api import create_app
from carelink_api.config import Settings
from tests.browser.harness import (
    NODE_MODULES,
    Complaints,
    Hospital,
    MovedServer,
    find_chromium,
)
from tests.conftest import TEST_SETTINGS, close, environment, migrate
from tests.servers import ValkeyServer
from tests.stores import SqliteStore

MakeHospital = Callable[..., Hospital]
NewContext = Callable[..., BrowserContext]
PATIENCE_MS = 20_000


def missing(what: str) -> None:
    """Skip and say why; in CI, where nothing may be skipped, fail."""
    sentence = f"Browser tests need {what}."
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    path = find_chromium()
    if path is None:
        missing("Chromium: install it (Debian: apt-get install chromium) or name it by CHROMIUM=…")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def make_hospital(
    valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeHospital]:
    """Start a server with settings of its own: `make_hospital(rotate_refresh_tokens=False)`."""
    folder = tmp_path_factory.mktemp("hospital")
    template = SqliteStore(folder, migrate)
    made: list[Hospital] = []

    def make(**overrides: Any) -> Hospital:
        place = folder / str(len(made))
        place.mkdir()
        stores = {"sqlalchemy_database_uri": template.fresh(place), "redis_url": valkey.url}
        settings = Settings.load(place, **(TEST_SETTINGS | stores | overrides))
        server = MovedServer(dict(environment(settings)), workers=2)
        made.append(Hospital(server, create_app(settings, background=False)))
        server.start()
        return made[-1]

    yield make
    for hospital in made:
        hospital.server.close()
        close(hospital.app)


@pytest.fixture(scope="session")
def hospital(make_hospital: MakeHospital) -> Hospital:
    """The hospital of this test process. Its clock goes forward and is never put back."""
    return make_hospital()


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def new_context(
    browser: Browser, hospital: Hospital, complaints: Complaints
) -> Iterator[NewContext]:
    """Open a browser's worth of pages; `clock=True` where its time will be moved."""
    opened: list[BrowserContext] = []

    def new(*, clock: bool = False, **options: Any) -> BrowserContext:
        context = browser.new_context(**({"base_url": hospital.origin} | options))
        context.set_default_timeout(PATIENCE_MS)
        complaints.watch(context)
        if clock:
            context.clock.install()
        opened.append(context)
        return context

    yield new
    for context in opened:
        context.close()
    assert complaints.unexpected == []


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    return new_context()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the tests' npm packages, installed where they are not what the lock says."""
    if shutil.which("npm") is None:
        missing("node and npm (Debian: apt-get install nodejs npm)")
    lock, installed = NODE_MODULES.with_name("package-lock.json"), NODE_MODULES / ".installed"
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # test processes start together
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            subprocess.run(["npm", "ci", "--silent"], cwd=NODE_MODULES.parent, check=True)
            shutil.copyfile(lock, installed)
    return NODE_MODULES
