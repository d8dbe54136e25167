"""A pair of tokens and what forges from it, as for the tests of the auth API."""

from tests.auth.conftest import forger as forger
from tests.auth.conftest import kind as kind
from tests.auth.conftest import pair as pair
