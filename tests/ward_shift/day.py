"""The twelve hours: what happens, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from carelink_api import clock
from carelink_api.api import rfc3339
from tests.auth_helper import PASSWORD
from tests.clinical.handoffs import SBAR
from tests.conftest import Travel
from tests.ward_shift.hospital import BEDS, HANDOFF, LENGTH, Hospital
from tests.ward_shift.ledger import Ledger
from tests.ward_shift.redundant_redis import RedundantRedis
from tests.ward_shift.staff import Client, Doctor, Nurse, Thrown, Workers

STEP = 14
"""Minutes: silent refresh comes before or just after an access token of 15 expires."""
EARLY, HOUR = timedelta(minutes=STEP), timedelta(hours=1)
CODES = {"8867-4": 60.0, "8310-5": 36.0, "8480-6": 100.0}
PATIENT = "/api/patients/{}/"


class Day:
    """One simulated shift."""

    def __init__(
        self,
        workers: Workers,
        hospital: Hospital,
        ledger: Ledger,
        redis: RedundantRedis,
        travel: Travel,
    ) -> None:
        self.workers, self.hospital, self.ledger = workers, hospital, ledger
        self.redis, self.travel = redis, travel
        self.here: list[Client] = []
        self.rounds = 0
        self.stolen: dict[str, Any] = {}
        self.grant: dict[str, Any] = {}
        first, second, third, fourth, _ = hospital.day
        self.robbed, self.stays_longer = second[1], third[2]
        self.goes_early, self.sent_off = fourth[3], first[4]
        self.emergency: Doctor = hospital.doctors[2]
        self.found = hospital.doctors[7].patients[0]
        """A patient of another unit's doctors."""

    def run(self) -> None:
        plan = self._plan()
        self._at(-EARLY)
        self._log_in([*self.hospital.on_duty, *self.hospital.doctors, self.hospital.admin])
        for minute in range(0, 60 * 14, STEP):
            self._at(timedelta(minutes=minute))
            self._tick(minute)
            while plan and plan[0][0] <= minute / 60:
                plan.pop(0)[1]()
            self.workers.beat()
        assert not plan

    def _plan(self) -> list[tuple[float, Callable[[], None]]]:
        """Return what happens, by the hours after the start of the shift."""
        return [
            (0.2, self.round),
            (1.0, self.write_notes),
            (2.0, self.visit),
            (2.2, self.round),
            (3.3, self.steal),
            (4.0, self.use_what_was_stolen),
            (4.2, lambda: self.round(meanwhile=self.redis.flush)),
            (5.0, self.send_one_off),
            (5.5, self.break_the_glass),
            (6.2, lambda: self.round(meanwhile=self.fail_over)),
            (7.0, self.review_the_glass),
            (7.5, self.change_the_roster),
            (8.2, self.round),
            (9.0, self.visit),
            (9.2, self.hand_over_early),
            (9.8, self.expect_early_end),
            (10.2, self.round),
            (10.8, self.go_home),
            (11.6, self.relieve),
            (11.8, self.give_everything),
            (12.1, self.accept_everything),
            (12.8, self.expect_the_end),
            (13.6, self.look_back),
        ]

    # What recurs.

    def round(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Measure every patient; half-way something else happens."""
        self.rounds += 1
        nurses = [nurse for nurse in self.hospital.on_duty if nurse.patients and nurse.pair]
        for place, nurse in enumerate(nurses):
            if place == len(nurses) // 2:
                meanwhile()
            for patient_id in nurse.patients:
                self._measure(nurse, patient_id)

    def _measure(self, nurse: Nurse, patient_id: int) -> None:
        items = [
            {"code": code, "value": least + self.rounds + patient_id % 10 / 10}
            for code, least in CODES.items()
        ]
        path = f"{PATIENT.format(patient_id)}observations/"
        for made in nurse.post(path, {"items": items})["items"]:
            self.ledger.signs[made["id"]] = (patient_id, made["code"], made["value"])

    def write_notes(self) -> None:
        for nurse in self.hospital.on_duty:
            for patient_id in nurse.patients:
                self._write(nurse, patient_id, "nursing")

    def visit(self) -> None:
        """Doctors look at some of their patients, write a note and book an appointment."""
        for doctor in self.hospital.doctors:
            for patient_id in doctor.patients[:4]:
                doctor.get(PATIENT.format(patient_id))
                doctor.get(f"{PATIENT.format(patient_id)}observations/latest/")
                self._write(doctor, patient_id, "progress")
            starts_at = clock.now() + 24 * HOUR
            times = {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(starts_at + HOUR)}
            who = {"patient_id": doctor.patients[0], "doctor_id": doctor.account.id}
            made = doctor.post("/api/appointments/", who | times | {"description": "Check"})
            self.ledger.appointments.add(made["id"])

    def _write(self, by: Client, patient_id: int, category: str) -> None:
        text = f"{category} at {clock.now():%H:%M}"
        path = f"{PATIENT.format(patient_id)}notes/"
        made = by.post(path, {"category": category, "text": text})
        self.ledger.notes[made["id"]] = text

    # What goes wrong, and what changes.

    def steal(self) -> None:
        """Somebody copies a refresh token; its owner's client goes on and retires it."""
        self.stolen = self.robbed.pair
        self.robbed.refresh()
        self.robbed.get("/api/patients/")

    def use_what_was_stolen(self) -> None:
        """The copy ends the session, and that one only; its owner logs in anew."""
        answer = self.workers.next().refresh(self.stolen["refresh"])
        assert (answer.status_code, answer.get_json()["reason"]) == (401, "reused")
        self._thrown(self.robbed, "reused")
        self.robbed.log_in()

    def send_one_off(self) -> None:
        """The charge nurse ends a colleague's session; she is out everywhere at once."""
        leader, pair = self._leader(self.sent_off), self.sent_off.pair
        path = f"/api/units/{leader.unit_id}/sessions/"
        found = [each["id"] for each in leader.get(path)["items"]]
        assert pair["session"]["id"] in found
        body = {"session": pair["session"]["id"], "reason": "Left open in the corridor"}
        assert leader.post(f"{path}end/", body)["sessions_ended"] == 1
        self._thrown(self.sent_off, "revoked")
        self.sent_off.log_in()

    def fail_over(self) -> None:
        """The primary dies in the middle of a round; the Sentinel makes its replica primary."""
        self.redis.kill_primary()
        for nurse in self.hospital.on_duty[:6]:
            nurse.get("/api/patients/")
        self.redis.wait_for_another()
        self.workers.beat()
        for pair, _ in self.ledger.ended:
            self.workers.refuse(pair)

    def break_the_glass(self) -> None:
        path, doctor = PATIENT.format(self.found), self.emergency
        assert doctor.call("GET", path).get_json()["code"] == "break_glass_available"
        reason = {"reason_code": "life_threatening", "reason_text": "Found without a pulse"}
        self.grant = doctor.post(
            "/api/break-glass/", {"patient_id": self.found, "password": PASSWORD} | reason
        )
        doctor.by_glass = self.found
        doctor.get(path)
        doctor.get(f"{path}observations/latest/")
        self._write(doctor, self.found, "progress")

    def review_the_glass(self) -> None:
        """An hour later the record is closed again, and somebody asks about it."""
        answer = self.emergency.call("GET", PATIENT.format(self.found))
        assert answer.get_json()["code"] == "break_glass_available"
        admin = self.hospital.admin
        [waiting] = admin.get("/api/break-glass/reviews/")["items"]
        assert (waiting["id"], waiting["accesses"]) == (self.grant["id"], 3)
        judged = {"outcome": "appropriate", "comment": "Resuscitated"}
        admin.post(f"/api/break-glass/{waiting['id']}/reviews/", judged)

    def change_the_roster(self) -> None:
        """One nurse stays two hours longer, an hour at a time; another goes at nine."""
        now = self.hospital.starts_at
        self._end_shift(self.stays_longer, now + LENGTH + HOUR)
        self._end_shift(self.stays_longer, now + LENGTH + 2 * HOUR)
        self._end_shift(self.goes_early, now + 9 * HOUR)

    def _end_shift(self, nurse: Nurse, ends_at: datetime) -> None:
        leader = self._leader(nurse)
        [shift] = leader.get(f"/api/shifts/?user_id={nurse.account.id}")["items"]
        answer = leader.call(
            "PATCH",
            f"/api/shifts/{shift['id']}/",
            {"ends_at": rfc3339(ends_at), "reason": "Agreed with the ward"},
            version=shift["version"],
        )
        assert answer.status_code == 200, answer.text
        nurse.shift_ends_at, nurse.works_until = ends_at, ends_at + HANDOFF

    def hand_over_early(self) -> None:
        """In her handoff time she who goes early gives her patients to the charge nurse."""
        leader = self._leader(self.goes_early)
        given = self._give(self.goes_early)
        self._accept(leader, given)
        leader.patients += self.goes_early.patients
        self.goes_early.patients = []

    def expect_early_end(self) -> None:
        self._thrown(self.goes_early, "shift_ended")

    def go_home(self) -> None:
        for client in (*self.hospital.doctors, self.hospital.admin):
            client.log_out()

    # The next shift.

    def relieve(self) -> None:
        """Everybody of the night logs in from the same address."""
        self._log_in(list(self.hospital.relief))

    def give_everything(self) -> None:
        self.given = [(nurse, self._give(nurse)) for nurse in self._leaving()]

    def accept_everything(self) -> None:
        """The night takes over, and who has given signs a last note in handoff time."""
        relief = {id(day): night for day, night in zip(
            self.hospital.on_duty, self.hospital.relief, strict=True)}  # fmt: skip
        for nurse, given in self.given:
            self._accept(relief[id(nurse)], given)
            self._write(nurse, nurse.patients[0], "nursing")

    def expect_the_end(self) -> None:
        """The day is out, but for who stays longer."""
        for nurse in self._leaving():
            self._thrown(nurse, "shift_ended")
        assert self.stays_longer.get("/api/patients/")["total"] > 0

    def look_back(self) -> None:
        for nurse in self.hospital.relief:
            assert nurse.get("/api/patients/?page_size=1")["total"] == BEDS
        for pair, _ in self.ledger.ended:
            self.workers.refuse(pair)

    def _leaving(self) -> list[Nurse]:
        stay = (self.stays_longer, self.goes_early)
        return [nurse for nurse in self.hospital.on_duty if nurse not in stay]

    def _give(self, nurse: Nurse) -> list[tuple[int, int]]:
        return [
            (patient_id, nurse.post(f"{PATIENT.format(patient_id)}handoffs/", SBAR)["id"])
            for patient_id in nurse.patients
        ]

    def _accept(self, nurse: Nurse, given: list[tuple[int, int]]) -> None:
        for patient_id, handoff_id in given:
            nurse.post(f"{PATIENT.format(patient_id)}handoffs/{handoff_id}/accept/")
            self.ledger.owners[patient_id] = nurse.account.id

    # The clock.

    def _at(self, since_start: timedelta) -> None:
        self.travel.to(self.hospital.starts_at + since_start)
        self.workers.beat()

    def _tick(self, minute: int) -> None:
        if minute % 56 == 0:
            self.workers.keep_house()
        for client in self.here:
            if client.pair and not client.is_off:
                client.tick()
                if client.pair["session"]["idle_timeout_seconds"]:
                    client.get("/api/units/")

    def _log_in(self, people: list[Any]) -> None:
        for each in people:
            each.log_in()
        self.here += people

    def _leader(self, nurse: Nurse) -> Nurse:
        team = next(team for team in self.hospital.day if nurse in team)
        return team[0]

    def _thrown(self, client: Client, reason: str) -> None:
        """Expect every worker to refuse a client, for this reason or because the token is old."""
        client.may_end = {reason, "expired"}
        self.workers.beat()
        self.workers.refuse(client.pair)
        with pytest.raises(Thrown):
            client.get("/api/auth/me/")
        self.ledger.ended[-1] = (client.pair, reason)
        client.pair, client.may_end = {}, set()
