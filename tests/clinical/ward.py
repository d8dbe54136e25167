"""A ward for the tests: units, patients, and who is tied to whom."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.accounts.models import Unit
from carelink_api.clinical.break_glass.models import BreakGlassGrant
from carelink_api.clinical.models import Appointment, CareTeamMember, Patient
from carelink_api.clinical.patients.names import name_key
from carelink_api.clinical.record_models import (
    Handoff,
    Note,
    NoteVersion,
    Observation,
    PatientOwner,
)
from carelink_api.database import writing
from carelink_api.extensions import db
from carelink_api.shifts.models import Shift
from tests.auth_helper import Account, Auth

HOUR = timedelta(hours=1)


class Ward:
    """Makes people, records and ties, straight in the database, and calls in their names."""

    def __init__(self, app: Flask, client: FlaskClient | None = None) -> None:
        self.auth = Auth(app, client)
        self._app = app
        self._access: dict[str, str] = {}
        with app.app_context():
            self._engine = db.engine

    def unit(self, name: str = "Ward 7", profile: str | None = None) -> int:
        """Return the id of the unit of that name, made where it is new."""
        with Sql(self._engine) as sql:
            found = sql.scalar(select(Unit.id).where(Unit.name == name))
        return found or self._add(Unit(name=name, session_profile=profile))

    def patient(self, name: str = "Ada Byron", **columns: Any) -> int:
        """Return a new patient's id: admitted to `unit_id` an hour ago where one is given."""
        admitted_at = clock.now() - HOUR if columns.get("unit_id") else None
        values: dict[str, Any] = {
            "mrn": f"T{clock.now().timestamp():.6f}".replace(".", "-"),
            "name": name,
            "name_key": name_key(name),
            "birth_date": date(1950, 4, 1),
            "admitted_at": admitted_at,
        }
        return self._add(Patient(**(values | columns)))

    def user(self, email: str, user_type: str, **columns: Any) -> Account:
        return self.auth.create_user(email, user_type, **columns)

    def nurse(self, unit_id: int, email: str = "nurse@ward.example", **shift: Any) -> Account:
        """Return a nurse who is on shift in the unit."""
        nurse = self.user(email, "nurse")
        self.on_shift(nurse, unit_id, **shift)
        return nurse

    def on_shift(self, nurse: Account, unit_id: int, **columns: Any) -> int:
        """Put a nurse on shift, from four hours ago for eight hours; return the shift's id."""
        starts_at = clock.now() - 4 * HOUR
        values = {"starts_at": starts_at, "ends_at": starts_at + 8 * HOUR}
        return self._add(Shift(user_id=nurse.id, unit_id=unit_id, **(values | columns)))

    def doctor(self, *patient_ids: int, email: str = "doctor@ward.example") -> Account:
        """Return a doctor who is in the care team of these patients."""
        doctor = self.user(email, "doctor")
        for patient_id in patient_ids:
            self.care(doctor, patient_id)
        return doctor

    def care(self, user: Account, patient_id: int, **columns: Any) -> int:
        values = {"role": "attending", "starts_at": clock.now() - HOUR}
        return self._add(
            CareTeamMember(user_id=user.id, patient_id=patient_id, **(values | columns))
        )

    def appointment(
        self, doctor: Account, patient_id: int, starts_at: datetime | None = None, **columns: Any
    ) -> int:
        starts_at = starts_at or clock.now() + HOUR
        values = {"starts_at": starts_at, "ends_at": starts_at + HOUR / 2, "description": "Check"}
        return self._add(
            Appointment(doctor_id=doctor.id, patient_id=patient_id, **(values | columns))
        )

    def observation(self, patient_id: int, by: Account, **columns: Any) -> int:
        now = clock.now()
        values = {"code": "8867-4", "value": 80, "unit": "/min", "recorded_at": now}
        return self._add(
            Observation(
                patient_id=patient_id,
                recorded_by_id=by.id,
                **(values | {"effective_at": now} | columns),
            )
        )

    def handoff(self, patient_id: int, by: Account, **columns: Any) -> int:
        """Return the id of a handoff by the patient's owner, whom it makes so."""
        with Sql(self._engine) as sql, writing(sql):
            sql.merge(PatientOwner(patient_id=patient_id, user_id=by.id, since=clock.now()))
        sbar = dict.fromkeys(("situation", "background", "assessment", "recommendation"), "Stable")
        values = {"given_by_id": by.id, "given_at": clock.now()} | sbar
        return self._add(Handoff(patient_id=patient_id, **(values | columns)))

    def note(self, patient_id: int, by: Account, text: str = "Slept well") -> int:
        now = clock.now()
        with Sql(self._engine) as sql:
            note = Note(patient_id=patient_id, category="nursing", created_at=now)
            sql.add(note)
            sql.flush()
            signed = {"signed_by_id": by.id, "signed_at": now, "text": text}
            sql.add(NoteVersion(note_id=note.id, version=1, **signed))
            sql.commit()
            return note.id

    def records(self, patient_id: int, account: Account) -> dict[str, int]:
        """Write one of each into a record; return the ids, by the names that paths give them.

        `operation.name` is an id for one operation: two patients more for what is done only once.
        """
        by = self.user(f"writer-{patient_id}@ward.example", "nurse")
        given, free = (self.patient(unit_id=self.unit("ICU")) for _ in range(2))
        return {
            "observation_id": self.observation(patient_id, by),
            "note_id": self.note(patient_id, account),
            "handoff_id": self.handoff(patient_id, by),
            "give_handoff.patient_id": free,
            "withdraw_handoff.patient_id": given,
            "withdraw_handoff.handoff_id": self.handoff(given, account),
        }

    def grant(self, account: Account, patient_id: int, **columns: Any) -> int:
        """Return the id of a grant; it holds in the session `sid` where one is named."""
        now = clock.now()
        values = {
            "sid": "of-no-session".ljust(22, "-"),
            "reason_code": "covering",
            "reason_text": "In for a colleague who is ill",
            "in_handoff": False,
            "opened_at": now,
            "expires_at": now + HOUR,
            "due_at": now + 72 * HOUR,
        }
        return self._add(
            BreakGlassGrant(user_id=account.id, patient_id=patient_id, **(values | columns))
        )

    def self_patient(
        self, email: str = "patient@home.example", **columns: Any
    ) -> tuple[Account, int]:
        """Return a patient's account and the id of the record that is theirs."""
        account = self.user(email, "patient")
        return account, self.patient(user_id=account.id, **columns)

    def access(self, account: Account) -> str:
        """Return an access token of the account, one for the whole test."""
        if account.email not in self._access:
            self._access[account.email] = self.auth.tokens(account.email)["access"]
        return self._access[account.email]

    def forget_ended_sessions(self) -> None:
        """Log in anew whoever was logged out meanwhile."""
        self._access = {
            email: access
            for email, access in self._access.items()
            if self.auth.me(access).status_code == 200
        }

    def log_in_anew(self, account: Account) -> None:
        """Let the account's next calls come from another session."""
        self._access.pop(account.email, None)

    def call(
        self,
        account: Account,
        method: str,
        path: str,
        *,
        version: int | None = None,
        **options: Any,
    ) -> Any:
        """Call a route in the name of an account; `version` goes into If-Match."""
        headers = {"Authorization": f"Bearer {self.access(account)}"} | options.pop("headers", {})
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self.auth.client.open(path, method=method, headers=headers, **options)

    def get(self, account: Account, path: str, **options: Any) -> Any:
        return self.call(account, "GET", path, **options)

    def post(self, account: Account, path: str, body: Any = None, **options: Any) -> Any:
        return self.call(account, "POST", path, json=body or {}, **options)

    def patch(self, account: Account, path: str, body: Any, **options: Any) -> Any:
        return self.call(account, "PATCH", path, json=body, **options)

    def _add(self, row: Any) -> int:
        with Sql(self._engine) as sql:
            sql.add(row)
            sql.commit()
            made: int = row.id
            return made
