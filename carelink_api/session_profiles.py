"""The session profiles: named sets of lifetimes, each a setting (`docs/design.md`, section 3)."""

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

ProfileName = Literal["standard", "high_security", "extended"]
MAX_ACCESS_SECONDS = 3600
"""No access token may live longer: the pulse remembers ended sessions for this long."""
AccessSeconds = Annotated[int, Field(ge=30, le=MAX_ACCESS_SECONDS)]
AbsoluteSeconds = Annotated[int, Field(ge=60, le=7 * 24 * 3600)]
IdleSeconds = Annotated[int, Field(ge=0, le=24 * 3600)]
"""0 turns the idle timeout off."""


class SessionProfile(BaseModel):
    """One set of lifetimes, all in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_seconds: AccessSeconds
    absolute_seconds: AbsoluteSeconds
    idle_seconds: IdleSeconds

    @property
    def access(self) -> timedelta:
        return timedelta(seconds=self.access_seconds)

    @property
    def absolute(self) -> timedelta:
        return timedelta(seconds=self.absolute_seconds)

    @property
    def idle(self) -> timedelta | None:
        return timedelta(seconds=self.idle_seconds) if self.idle_seconds else None


class StandardProfile(SessionProfile):
    access_seconds: AccessSeconds = 15 * 60
    absolute_seconds: AbsoluteSeconds = 12 * 3600
    idle_seconds: IdleSeconds = 0


class HighSecurityProfile(SessionProfile):
    access_seconds: AccessSeconds = 5 * 60
    absolute_seconds: AbsoluteSeconds = 8 * 3600
    idle_seconds: IdleSeconds = 15 * 60


class ExtendedProfile(SessionProfile):
    access_seconds: AccessSeconds = 30 * 60
    absolute_seconds: AbsoluteSeconds = 24 * 3600
    idle_seconds: IdleSeconds = 60 * 60


class SessionProfiles(BaseModel):
    """The three profiles, each with its own defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    standard: StandardProfile = StandardProfile()
    high_security: HighSecurityProfile = HighSecurityProfile()
    extended: ExtendedProfile = ExtendedProfile()

    def __getitem__(self, name: str) -> SessionProfile:
        if name not in get_args(ProfileName):
            raise KeyError(name)
        profile: SessionProfile = getattr(self, name)
        return profile

    @classmethod
    def names(cls, prefix: str) -> set[str]:
        """Return how a profile, and each lifetime of it, is named below `prefix`."""
        profiles = {f"{prefix}__{name}" for name in cls.model_fields}
        return profiles | {
            f"{name}__{each}" for name in profiles for each in SessionProfile.model_fields
        }

    def by_name(self) -> dict[ProfileName, SessionProfile]:
        return {name: self[name] for name in get_args(ProfileName)}
