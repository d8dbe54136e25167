"""The names of everything that is audited: `object:what_happened`, in one place."""

from enum import StrEnum


class Event(StrEnum):
    LOGIN_SUCCEEDED = "login:succeeded"
    LOGIN_REFUSED = "login:refused"
    LOGIN_BLOCKED = "login:blocked"
    """Too many failures in a row; the account waits."""

    SESSION_REFRESHED = "session:refreshed"
    SESSION_KEPT = "session:kept"
    """Refreshed with rotation switched off."""
    SESSION_REISSUED = "session:reissued"
    """Outcome `alert` after three late ones running: bad Wi-Fi, or a second holder in step."""
    SESSION_ROW_BEHIND = "session:row_behind"
    """Refreshed by a token newer than the row: the database has lost writes."""
    SESSION_REUSED = "session:reused"
    """A retired refresh token came back; the session has been ended."""
    REFRESH_REFUSED = "session:refresh_refused"
    SESSION_LOGGED_OUT = "session:logged_out"
    SESSION_REVOKED = "session:revoked"
    SESSION_EXPIRED = "session:expired"

    SESSION_END_MOVED = "session:end_moved"
    """A change of the roster: it ends sooner or later than it was to."""

    TOKEN_THROTTLED = "token:throttled"

    PASSWORD_CHANGED = "user:password_changed"
    PASSWORD_REFUSED = "user:password_refused"
    PASSWORD_REHASHED = "user:password_rehashed"
    USER_CREATED = "user:created"
    USER_DISABLED = "user:disabled"
    USER_ENABLED = "user:enabled"
    USER_CHANGED = "user:changed"
    UNIT_CREATED = "unit:created"
    UNIT_CHANGED = "unit:changed"

    SHIFT_CREATED = "shift:created"
    SHIFT_CHANGED = "shift:changed"
    SHIFT_REASSIGNED = "shift:reassigned"
    SHIFT_CANCELLED = "shift:cancelled"
    SHIFT_REFUSED = "shift:refused"
    """Somebody tried to change a roster that is not hers to change."""

    UNIT_SESSIONS_REFUSED = "unit:sessions_refused"
    """Somebody who is not in charge there tried to end its sessions."""

    DENYLIST_FLUSHED = "denylist:flushed"

    PATIENTS_LISTED = "patients:listed"
    PATIENT_READ = "patient:read"
    PATIENT_CREATED = "patient:created"
    PATIENT_CHANGED = "patient:changed"
    PATIENT_ADMITTED = "patient:admitted"
    PATIENT_DISCHARGED = "patient:discharged"
    ACCESS_LOG_READ = "access_log:read"
    CARE_TEAM_LISTED = "care_team:listed"
    CARE_TEAM_JOINED = "care_team:joined"
    CARE_TEAM_LEFT = "care_team:left"
    APPOINTMENTS_LISTED = "appointments:listed"
    APPOINTMENT_READ = "appointment:read"
    APPOINTMENT_BOOKED = "appointment:booked"
    APPOINTMENT_MOVED = "appointment:moved"
    APPOINTMENT_CANCELLED = "appointment:cancelled"
    OBSERVATIONS_LISTED = "observations:listed"
    OBSERVATION_READ = "observation:read"
    OBSERVATIONS_RECORDED = "observations:recorded"
    OBSERVATION_MARKED = "observation:entered_in_error"
    HANDOFFS_LISTED = "handoffs:listed"
    HANDOFF_READ = "handoff:read"
    HANDOFF_GIVEN = "handoff:given"
    HANDOFF_ACCEPTED = "handoff:accepted"
    HANDOFF_WITHDRAWN = "handoff:withdrawn"
    OWNER_READ = "owner:read"


class Outcome(StrEnum):
    SUCCESS = "success"
    REFUSED = "refused"
    ALERT = "alert"
