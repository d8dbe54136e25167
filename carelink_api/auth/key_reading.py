"""How a worker learns which keys hold: from the rows, or from the settings where there are none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.engine import Connection

from ..config import Settings, UnsafeSettings
from .key_models import SigningKey
from .key_rules import KeyState, state_of
from .key_seal import KeySeal, NotSealedHere
from .keys import Key, KeyRing

log = structlog.get_logger(__name__)

EXTENSION = "carelink.keys"


@dataclass(frozen=True)
class KeyRow:
    """What a worker needs to know of a row."""

    kid: str
    algorithm: str
    sealed: bytes | None
    state: KeyState


def read_rows(connection: Connection) -> tuple[KeyRow, ...]:
    """Return the rows of every key, in the one order that all workers publish them in."""
    found = connection.execute(
        select(
            SigningKey.kid,
            SigningKey.algorithm,
            SigningKey.sealed,
            SigningKey.promoted_at,
            SigningKey.stopped_at,
            SigningKey.retired_at,
        ).order_by(SigningKey.created_at, SigningKey.kid)
    )
    return tuple(KeyRow(*row[:3], state_of(*row[3:])) for row in found)


def ring_of(rows: Sequence[KeyRow], seal: KeySeal, present: KeyRing) -> KeyRing:
    """Return the ring that the rows describe.

    What the present ring holds need not be opened again: a worker that still has the former secret
    goes on after `keys rewrap`. Where it cannot open the key that signs, or has only its public
    half, it goes on signing with the present one, for as long as that one verifies.
    """
    keys: dict[str, Key] = {}
    unreadable: list[str] = []
    signing: str | None = None
    for row in rows:
        if row.state is KeyState.GONE:
            continue
        if (key := _known(row, seal, present)) is None:
            unreadable.append(row.kid)
            continue
        keys[row.kid] = key
        if row.state is KeyState.SIGNING and key.signing is not None:
            signing = row.kid
    if signing is None and present.can_sign and present.signing.kid in keys:
        signing = present.signing.kid
    signer = keys.pop(signing) if signing else None
    return KeyRing(signer, tuple(keys.values()), unreadable=unreadable)


def _known(row: KeyRow, seal: KeySeal, present: KeyRing) -> Key | None:
    held = present.get(row.kid)
    if held is not None and held.signing is not None:
        return held
    try:
        return seal.open(row.kid, row.algorithm, row.sealed or b"")
    except NotSealedHere:
        return held


class RingKeeper:
    """Keeps a worker's ring as the rows have it; the pulse says when to look."""

    def __init__(
        self, settings: Settings, configured: KeyRing, replace: Callable[[KeyRing], None]
    ) -> None:
        self._seal = KeySeal.from_settings(settings)
        self._configured = configured
        """The settings' ring: what holds until there is a row."""
        self._replace = replace
        self._ring = KeyRing(None)
        self._rows: tuple[KeyRow, ...] | None = None
        self.unreadable: frozenset[str] = frozenset()
        """Names of the keys that hold and that this worker cannot open."""
        self.powerless: frozenset[str] = frozenset()
        """Names of those that are to sign, by their rows, and are only public halves."""

    @property
    def has_read(self) -> bool:
        return self._rows is not None

    def learn(self, connection: Connection) -> None:
        """Read the rows; replace the ring where they differ. Raises SQLAlchemyError."""
        rows, before = read_rows(connection), self._rows
        if rows == before:
            return
        if _went_back(before or (), rows):
            log.error("keys_went_back")
        ring = ring_of(rows, self._seal, self._ring) if rows else self._configured
        self._rows, self.unreadable, self.powerless = rows, ring.unreadable, _powerless(rows, ring)
        if self.powerless:
            log.error("keys_cannot_sign", kids=sorted(self.powerless))
        if ring.unreadable:
            log.error("keys_not_opened", kids=sorted(ring.unreadable))
            if not list(ring) and self._ring.can_sign:
                return  # all sealed by a secret that is not this deployment's: what holds goes on
        self._ring = ring
        self._replace(ring)

    def start(self, connection: Connection) -> None:
        """Learn the keys, and refuse to start without one of them.

        Raises UnsafeSettings, SQLAlchemyError.
        """
        self.learn(connection)
        if self.unreadable:
            raise UnsafeSettings(
                f"CARELINK_JWT_SECRET_KEY does not open the keys in the database "
                f"({', '.join(sorted(self.unreadable))}): set the secret that sealed them, or list "
                "it in CARELINK_JWT_VERIFYING_SECRETS and run `flask --app wsgi keys rewrap`."
            )


def _powerless(rows: Sequence[KeyRow], ring: KeyRing) -> frozenset[str]:
    """Return which rows say of a public half that it signs: whoever wrote that was not us."""
    to_sign = (ring.get(row.kid) for row in rows if row.state is KeyState.SIGNING)
    return frozenset(key.kid for key in to_sign if key is not None and key.signing is None)


def _went_back(before: Sequence[KeyRow], rows: Sequence[KeyRow]) -> bool:
    """Say whether a key that was known is known no more, or is no longer gone: a backup's rows."""
    now = {row.kid: row.state for row in rows}
    return any(
        row.kid not in now or (row.state is KeyState.GONE and now[row.kid] is not KeyState.GONE)
        for row in before
    )
