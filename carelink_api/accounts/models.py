"""Tables of users and units."""

from datetime import datetime
from enum import StrEnum
from typing import get_args

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..database import Base, UtcDateTime
from ..session_profiles import ProfileName


class UserType(StrEnum):
    PATIENT = "patient"
    DOCTOR = "doctor"
    NURSE = "nurse"
    RESEARCHER = "researcher"
    ADMIN = "admin"
    OPS = "ops"


_TYPES = ", ".join(f"'{user_type}'" for user_type in UserType)
_PROFILES = ", ".join(f"'{profile}'" for profile in get_args(ProfileName))


class Unit(Base):
    """A ward or department; its session profile, if any, applies to everyone who works there."""

    __tablename__ = "units"
    __table_args__ = (CheckConstraint(f"session_profile IN ({_PROFILES})", name="profile"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    session_profile: Mapped[str | None] = mapped_column(String(20))


class User(Base):
    """A person's account. Ids are never used again (45 CFR 164.312(a)(2)(i))."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"user_type IN ({_TYPES})", name="user_type"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Normalised by `service.normalise_email`."""
    name: Mapped[str] = mapped_column(String(200))
    user_type: Mapped[str] = mapped_column(String(20))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    password_hash: Mapped[str] = mapped_column(Text)
    """argon2id, in PHC form; or `passwords.NO_PASSWORD`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Somebody else knows the password: it opens nothing but its own change."""
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_logins: Mapped[int] = mapped_column(default=0)
    """Failures in a row; a success sets it back to 0."""
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    unit: Mapped[Unit | None] = relationship(lazy="joined")


class OneTimeCode(Base):
    """What lets an account's owner choose a password without the former one: one for each account.

    Only a hash of it is here (`codes.hash_of`).
    """

    __tablename__ = "one_time_codes"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    code_hash: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    refusals: Mapped[int] = mapped_column(default=0)
    """Wrong codes that were shown since it was made."""
