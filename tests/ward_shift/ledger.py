"""What the simulated shift has done, so that the stores can be held against it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from carelink_api.audit.events import Event
from carelink_api.audit.models import AuditedPatient, AuditEvent
from carelink_api.clinical.models import Appointment
from carelink_api.clinical.record_models import NoteVersion, Observation, PatientOwner
from carelink_api.sessions.models import Session
from tests.audit.event_schema import all_events, assert_well_formed

Sign = tuple[int, str, float]
"""Patient, code and value."""


class Asked(NamedTuple):
    """One request about patients, and what its audit event must say."""

    who: int
    what: str
    status: int
    patient_id: int | None
    """Whom it names; None for a list."""
    basis: str | None
    """On what ground it was allowed; None for a list and for what was refused."""


@dataclass
class Ledger:
    """Everything that was answered, by the clients' own account."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """By the id of the request."""
    signs: dict[int, Sign] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    appointments: set[int] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)
    ended: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    """Tokens of the sessions that are over, and why."""
    lost: list[str] = field(default_factory=list)
    """Who was thrown out and should have been in."""
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)

    def assert_nothing_is_lost(self, engine: Engine) -> None:
        """Whatever was answered 201 is there exactly once, and nothing else is."""
        with engine.connect() as connection:
            columns = (Observation.patient_id, Observation.code, Observation.value)
            signs = connection.execute(select(Observation.id, *columns)).all()
            notes = connection.execute(select(NoteVersion.note_id, NoteVersion.text)).all()
            booked = connection.execute(select(Appointment.id)).scalars().all()
            owners = connection.execute(select(PatientOwner.patient_id, PatientOwner.user_id)).all()
        assert {row[0]: tuple(row[1:]) for row in signs} == self.signs
        assert len(signs) == len({(row.patient_id, row.code, row.value) for row in signs})
        assert {row[0]: row[1] for row in notes} == self.notes
        assert set(booked) == self.appointments
        assert {row[0]: row[1] for row in owners} == self.owners

    def assert_the_trail_explains_every_access(self, engine: Engine) -> None:
        """Each request about patients has one event with its basis; nothing else touched any."""
        columns = (AuditEvent.id, AuditEvent.event, AuditEvent.request_id, AuditEvent.user_id,
                   AuditEvent.outcome)  # fmt: skip
        with engine.connect() as connection:
            events = connection.execute(select(*columns, AuditEvent.detail)).all()
            about = connection.execute(
                select(AuditedPatient.event_id, AuditedPatient.patient_id)
            ).all()
        patients: dict[int, set[int]] = {}
        for event_id, patient_id in about:
            patients.setdefault(event_id, set()).add(patient_id)
        told = Counter(event.request_id for event in events if event.request_id in self.asked)
        assert told == Counter(list(self.asked)), "one event each"
        for event in events:
            by_time = event.event == Event.BREAK_GLASS_ENDED and event.request_id is None
            assert event.id not in patients or event.request_id in self.asked or by_time, event
        for event in events:
            if asked := self.asked.get(event.request_id):
                refused = event.outcome == "refused"
                assert (event.user_id, refused) == (asked.who, asked.status >= 400), asked
                if asked.patient_id is not None:
                    assert patients[event.id] == {asked.patient_id}, asked
                if asked.basis is not None:
                    assert event.detail["basis"] == asked.basis, asked

    def assert_every_event_is_well_formed(self, engine: Engine) -> None:
        """Who, what, when and where, in known words."""
        assert_well_formed(all_events(engine))

    def assert_sessions_ended_as_told(self, engine: Engine) -> None:
        """Every session that is over has the end that was expected, and no other is over."""
        with engine.connect() as connection:
            rows = connection.execute(select(Session.id, Session.end_reason)).all()
        over = {row[0]: row[1] for row in rows if row[1] is not None}
        assert over == {pair["session"]["id"]: reason for pair, reason in self.ended}

    def assert_the_trail_counts_the_sessions(self, engine: Engine) -> None:
        """Logins, refreshes and reuse are in the trail as often as clients have seen them."""
        with engine.connect() as connection:
            found = Counter(connection.execute(select(AuditEvent.event)).scalars())
        assert found["login:succeeded"] == self.counts["logins"]
        assert found["session:refreshed"] == self.counts["refreshes"]
        assert found["session:reissued"] == 0
        assert found["session:reused"] == 1
        assert found["break_glass:opened"] == found["break_glass:reviewed"] == 1
