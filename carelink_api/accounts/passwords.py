"""Hash and verify passwords with argon2id, one at a time (OWASP Password Storage, ASVS 11.4.2)."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import argon2
import structlog
from flask import current_app

from ..config import Settings
from ..errors import Throttled
from .password_rules import normalised

log = structlog.get_logger(__name__)

EXTENSION = "carelink.passwords"
NO_PASSWORD = "!"  # noqa: S105  # a word, no secret
"""Stands in place of a hash: no password is right."""


class PasswordHasher:
    """argon2id with the settings' parameters. One per process, made by `create_app`.

    Hashing is memory and processor time that a stranger can ask for. So one runs at a time, and at
    most `max_waiting` more threads wait for it; who comes after them is told to come back (raises
    Throttled), so that logins never hold every thread of the server.
    """

    def __init__(self, settings: Settings, *, max_waiting: int = 24) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=settings.password_hash_iterations,
            memory_cost=settings.password_hash_memory_kib,
            parallelism=1,
        )
        self._one = threading.Lock()
        self._places = threading.BoundedSemaphore(1 + max_waiting)
        self._dummy = self._argon2.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """Return the argon2id hash in PHC form. Raises Throttled."""
        with self._turn():
            return self._argon2.hash(_typed(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Say whether `password` is the one that was hashed. Raises Throttled.

        None stands for an unknown user, NO_PASSWORD for who has none: False at the same cost (ASVS
        6.3.8). Anything else that is no hash is False at the same cost too, and logged.
        """
        with self._turn():
            if password_hash in (None, NO_PASSWORD):
                self._matches(self._dummy, password)
                return False
            try:
                return self._matches(password_hash, password)
            except (argon2.exceptions.InvalidHash, argon2.exceptions.VerificationError, ValueError):
                log.error("password_hash_corrupt")
                self._matches(self._dummy, password)
                return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Say whether a hash was made with other parameters than today's."""
        try:
            return self._argon2.check_needs_rehash(password_hash)
        except (argon2.exceptions.InvalidHash, ValueError):
            return True

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, _typed(password))
        except argon2.exceptions.VerifyMismatchError:
            return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Throttled(1)
        try:
            with self._one:  # argon2 lets go of the GIL: other requests run meanwhile
                yield
        finally:
            self._places.release()


def _typed(password: str) -> bytes:
    # surrogatepass: what Unicode cannot encode must not match, rather than fail.
    return normalised(password).encode("utf-8", "surrogatepass")


def passwords() -> PasswordHasher:
    """Return the running application's hasher."""
    return cast(PasswordHasher, current_app.extensions[EXTENSION])
