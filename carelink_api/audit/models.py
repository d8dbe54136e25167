"""The tables of the audit trail: its events, and what seals them.

All of them only grow. Triggers refuse what changes or removes a row, except for erasing what may be
erased of an event, once, and for removing what is older than anybody may ask for it to be removed.
"""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Index, Integer, LargeBinary, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from ..database import Base, UtcDateTime, only_rows

SALT_BYTES = 16
OF_REVOCATIONS = "event IN ('revocation:begun', 'revocation:finished')"
OF_ERASURES = "event = 'user:erased'"
"""As text: an index of few rows is used only where the condition is spelled as in the index."""
_BIG = BigInteger().with_variant(Integer, "sqlite")


def new_salt() -> bytes:
    """Return what keeps an erased address from being guessed by trying them all."""
    return secrets.token_bytes(SALT_BYTES)


class salt_of_row(FunctionElement[bytes]):
    """The same, made by the database for each row of an `INSERT … SELECT`."""

    type = LargeBinary(SALT_BYTES)
    inherit_cache = True


@compiles(salt_of_row, "postgresql")
def _salt_on_postgresql(*_: Any, **__: Any) -> str:
    return "uuid_send(gen_random_uuid())"  # 122 random bits


@compiles(salt_of_row, "sqlite")
def _salt_on_sqlite(*_: Any, **__: Any) -> str:
    return f"randomblob({SALT_BYTES})"


class AuditEvent(Base):
    """One immutable event. It names people and sessions by id; it never holds a token.

    What may be erased is `address` and, of `detail`, what somebody has typed (`ERASABLE_DETAIL`).
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_recorded_at", "recorded_at"),
        Index("ix_audit_events_user_id", "user_id"),
        Index("ix_audit_events_sid", "sid"),
        Index("ix_audit_events_of_revocations", "id", **only_rows(OF_REVOCATIONS)),
        Index("ix_audit_events_erasures", "recorded_at", **only_rows(OF_ERASURES)),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=True)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    event: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(40))
    actor: Mapped[str | None] = mapped_column(String(40))
    """Who acts: `user:<id>`, `cli`, `housekeeper`; None for a stranger."""
    user_id: Mapped[int | None]
    """Whose account or session it is about. No foreign key: the trail outlives the account."""
    sid: Mapped[str | None] = mapped_column(String(22))
    jti: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    route: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str | None] = mapped_column(String(20))
    """The user type, then, of who asked; None where no request of somebody known caused it."""
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary(SALT_BYTES), default=new_salt)
    """Goes with what is erased."""
    commitment: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """What the seal covers in the place of what was erased; None while nothing is."""


class AuditedPatient(Base):
    """A patient whose data an event showed or changed: how a patient's access log is found."""

    __tablename__ = "audited_patients"
    __table_args__ = (Index("ix_audited_patients_event_id", "event_id"),)

    patient_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """No foreign key: the trail outlives the record."""
    event_id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)


class AuditBlock(Base):
    """Up to `BLOCK_EVENTS` events, sealed together: 8 bytes an event and about 250 a block."""

    __tablename__ = "audit_blocks"
    __table_args__ = (CheckConstraint("number >= 1 AND size >= 1", name="counts"),)

    number: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    """Counts up without a gap: of two who seal at once, one finds its number taken."""
    first_seq: Mapped[int] = mapped_column(BigInteger)
    """The `seq` of its first event; the others follow without a gap."""
    size: Mapped[int]
    ids: Mapped[str] = mapped_column(Text)
    """Which events, in their order: `7-310,313,311`."""
    marks: Mapped[bytes] = mapped_column(LargeBinary)
    """8 bytes of each event's digest: they only tell which one of a broken block was altered."""
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 over the events' whole digests."""
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    key_id: Mapped[str] = mapped_column(String(16))
    head: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 over all of the above, and so over all that was ever sealed."""
    seal: Mapped[bytes] = mapped_column(LargeBinary(32))
    """HMAC-SHA256 of the head: nobody without the key can write another chain."""


class AuditGap(Base):
    """Event ids below the newest that nobody has used: a transaction that is late, or undone.

    Only a list of what to look at again; what it says is never believed.
    """

    __tablename__ = "audit_gaps"

    first_id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    last_id: Mapped[int] = mapped_column(BigInteger)


class AuditPurge(Base):
    """What is left of a block's events of one class, once their time is over."""

    __tablename__ = "audit_purges"

    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    retention_class: Mapped[str] = mapped_column(String(20), primary_key=True)
    ids: Mapped[str] = mapped_column(Text)
    """Empty where it held none: it has been looked at."""
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    purged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    key_id: Mapped[str] = mapped_column(String(16))
    seal: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditCheckpoint(Base):
    """A signed statement of how far the trail had got; it is published outside as well."""

    __tablename__ = "audit_checkpoints"
    __table_args__ = (CheckConstraint("kind IN ('grown', 'pruned')", name="kind"),)

    id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(6))
    """`pruned`: everything up to here was removed, and the chain begins after it."""
    block: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)
    """Events sealed up to and with that block, those that were removed since counted too."""
    head: Mapped[bytes] = mapped_column(LargeBinary(32))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    key_id: Mapped[str] = mapped_column(String(16))
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))


class AuditReview(Base):
    """A review of the trail, signed off. Rows are never changed; an event tells of each."""

    __tablename__ = "audit_reviews"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    reviewed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reviewer: Mapped[str] = mapped_column(String(100))
    """By name: a privacy officer need not have an account."""
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    scope: Mapped[dict[str, Any]] = mapped_column(JSON)
    """By what the events were chosen beside the period; empty for all."""
    events: Mapped[int]
    """How many events those were."""
    findings: Mapped[str] = mapped_column(Text)
    follow_up: Mapped[bool]


class AuditVerification(Base):
    """One verification of the trail, and how far it is. What it says is vouched for by the key."""

    __tablename__ = "audit_verifications"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    whole: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(40))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    through_block: Mapped[int] = mapped_column(BigInteger)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes] = mapped_column(LargeBinary(32))
    events: Mapped[int] = mapped_column(BigInteger)
    found: Mapped[int]
    faults: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    key_id: Mapped[str] = mapped_column(String(16))
    seal: Mapped[bytes] = mapped_column(LargeBinary(32))
