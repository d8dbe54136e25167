"""A subscription to one channel, on a connection of its own that never reconnects by itself.

redis-py's `PubSub` subscribes again silently, so that nobody would know that messages are missing.
"""

import random
from typing import Any, Self

from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import InvalidResponse, ResponseError

from .redis_client import Client, primaries


class Channel:
    """Use it in a `with` statement. Raises STORE_ERRORS."""

    def __init__(self, client: Client, name: str) -> None:
        # On a cluster any node will do: it is told what the others are.
        server: Any = random.choice(list(primaries(client).values()))  # noqa: S311
        self._pool = server.connection_pool
        self._name = name
        self._connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)

    def __enter__(self) -> Self:
        try:
            self._connection.connect()
            self._connection.send_command("SUBSCRIBE", self._name)
            self._read()
        except BaseException:
            self._connection.disconnect()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.disconnect()

    def receive(self, seconds: float) -> bytes | None:
        """Return the next message; None after `seconds` without one, the server being there.

        Raises ConnectionError also when Sentinel has named another primary meanwhile.
        """
        if not self._connection.can_read(timeout=seconds):
            if self._is_demoted():
                raise ConnectionLost("another server is the primary now")
            self._connection.send_command("PING", check_health=False)
        return self._read()

    def _read(self) -> bytes | None:
        match self._connection.read_response():
            case [b"message", _, bytes(data)]:
                return data
            case [b"pong" | b"subscribe", *_]:
                return None
            case ResponseError() as error:
                raise error
        raise InvalidResponse("no message")

    def _is_demoted(self) -> bool:
        named = getattr(self._pool, "master_address", None)
        return named is not None and named != (self._connection.host, self._connection.port)
