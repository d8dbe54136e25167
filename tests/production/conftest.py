"""The site, started once for each test process; a test that breaks it mends it again."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.auth_helper import PASSWORD, Account
from tests.e2e.clients import UNLIMITED, Api
from tests.production.site import Site

MakeUser = Callable[..., Account]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """PostgreSQL, Valkey, two replicas, housekeeper and nginx, as production states them."""
    with Site() as site:
        yield site


@pytest.fixture
def api(site: Site) -> Iterator[Api]:
    """The auth API through the proxy, over TLS."""
    with site.client(limits=UNLIMITED) as http:
        yield Api(http)


@pytest.fixture
def user(site: Site) -> Account:
    """A nurse of this test's own, made as an operator makes her."""
    email = f"{secrets.token_hex(6)}@ward.example"
    words = ("users", "create", email, "--user-type", "nurse", "--name", "N", "--password-stdin",
             "--permanent")  # fmt: skip
    site.flask(*words, stdin=PASSWORD)
    return Account(0, email, PASSWORD, "nurse")
