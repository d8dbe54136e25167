"""Patients, appointments and observations as FHIR R4B."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session as Sql

from carelink_api import clock
from carelink_api.clinical.observations.codes import VITAL_SIGNS
from carelink_api.clinical.record_models import Observation
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.fhir import ask, entries, links, resource
from tests.clinical.trail import accesses, latest_detail
from tests.clinical.vital_signs import mark, path
from tests.clinical.ward import HOUR, Ward

pytestmark = SQLITE
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOCAL = "http://localhost"


def test_a_patient(ward: Ward, nurse: Account) -> None:
    patient_id = ward.patient("Zoë Árva", unit_id=ward.unit(), mrn="MRN-77", version=3)
    answer = ask(ward, nurse, f"/api/patients/{patient_id}/")
    assert resource(answer) == {
        "resourceType": "Patient",
        "id": str(patient_id),
        "meta": {"versionId": "3"},
        "identifier": [
            {
                "use": "usual",
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                            "code": "MR",
                        }
                    ]
                },
                "system": "urn:carelink:mrn",
                "value": "MRN-77",
            }
        ],
        "name": [{"use": "official", "text": "Zoë Árva"}],
        "birthDate": "1950-04-01",
    }
    assert answer.headers["ETag"] == 'W/"3"'
    assert answer.headers["Content-Type"] == "application/fhir+json; fhirVersion=4.3"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_patient_whose_birth_date_nobody_knows(ward: Ward, nurse: Account) -> None:
    patient_id = ward.patient(unit_id=ward.unit(), birth_date=None)
    assert "birthDate" not in resource(ask(ward, nurse, f"/api/patients/{patient_id}/"))


@pytest.mark.parametrize("status", ["booked", "fulfilled", "noshow", "cancelled"])
def test_an_appointment(ward: Ward, nurse: Account, patient: int, status: str) -> None:
    doctor = ward.doctor()
    made = ward.appointment(doctor, patient, NOON, status=status)
    answer = ask(ward, nurse, f"/api/appointments/{made}/")
    assert resource(answer) == {
        "resourceType": "Appointment",
        "id": str(made),
        "meta": {"versionId": "1"},
        "status": status,
        "description": "Check",
        "start": "2026-03-01T12:00:00Z",
        "end": "2026-03-01T12:30:00Z",
        "participant": [
            {
                "actor": {
                    "reference": f"{LOCAL}/api/patients/{patient}/",
                    "type": "Patient",
                    "display": "Ada Byron",
                },
                "required": "required",
                "status": "accepted",
            },
            {
                "actor": {
                    "type": "Practitioner",
                    "identifier": {"system": "urn:carelink:user", "value": str(doctor.id)},
                    "display": "Doctor",
                },
                "required": "required",
                "status": "accepted",
            },
        ],
    }


def test_an_observation(ward: Ward, nurse: Account, patient: int) -> None:
    made = ward.observation(
        patient, nurse, code="8310-5", value=37.25, unit="Cel",
        effective_at=NOON, recorded_at=NOON + HOUR,
    )  # fmt: skip
    answer = ask(ward, nurse, path(patient, made))
    assert resource(answer) == {
        "resourceType": "Observation",
        "id": str(made),
        "meta": {
            "versionId": "1",
            "lastUpdated": "2026-03-01T13:00:00Z",
            "profile": ["http://hl7.org/fhir/StructureDefinition/bodytemp"],
        },
        "status": "final",
        "category": [_category("vital-signs")],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "8310-5"}],
            "text": "Body temperature",
        },
        "subject": {"reference": f"{LOCAL}/api/patients/{patient}/", "type": "Patient"},
        "effectiveDateTime": "2026-03-01T12:00:00Z",
        "issued": "2026-03-01T13:00:00Z",
        "performer": [_practitioner(nurse, "Nurse")],
        "valueQuantity": {
            "value": 37.25,
            "unit": "Cel",
            "system": "http://unitsofmeasure.org",
            "code": "Cel",
        },
    }
    assert answer.headers["Last-Modified"] == "Sun, 01 Mar 2026 13:00:00 GMT"


@pytest.mark.parametrize(("code", "other"), [("8480-6", "8462-4"), ("8462-4", "8480-6")])
def test_each_half_of_a_blood_pressure_is_a_panel_that_says_so(
    ward: Ward, nurse: Account, patient: int, code: str, other: str
) -> None:
    made = ward.observation(patient, nurse, code=code, value=80, unit="mm[Hg]")
    found = resource(ask(ward, nurse, path(patient, made)))
    assert found["code"]["coding"] == [{"system": "http://loinc.org", "code": "85354-9"}]
    assert "valueQuantity" not in found
    halves = {half["code"]["coding"][0]["code"]: half for half in found["component"]}
    assert list(halves) == ["8480-6", "8462-4"]
    assert halves[code]["valueQuantity"]["value"] == 80
    assert halves[code]["valueQuantity"]["code"] == "mm[Hg]"
    assert halves[other]["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_every_vital_sign_is_valid_with_its_code_unit_and_category(
    ward: Ward, nurse: Account, patient: int
) -> None:
    for sign in VITAL_SIGNS.values():
        ward.observation(patient, nurse, code=sign.code, value=sign.minimum, unit=sign.unit)
    bundle = resource(ask(ward, nurse, path(patient)))
    found = entries(bundle)
    assert len(found) == len(VITAL_SIGNS)
    categories = {
        coding["code"]: each["category"][0]["coding"][0]["code"]
        for each in found
        for coding in each["code"]["coding"]
    }
    assert categories.pop("2339-0") == "laboratory"
    assert categories.pop("72514-3") == "survey"
    assert set(categories.values()) == {"vital-signs"}
    assert {"2708-6", "59408-5", "85354-9"} <= set(categories)  # saturation by both of its codes


def test_a_mark_of_error_is_its_status_and_a_signed_note(
    ward: Ward, nurse: Account, patient: int
) -> None:
    made = ward.observation(patient, nurse, effective_at=NOON, recorded_at=NOON)
    marked = mark(ward, nurse, patient, made).get_json()
    found = resource(ask(ward, nurse, path(patient, made)))
    assert (found["status"], found["meta"]["versionId"]) == ("entered-in-error", "2")
    assert found["meta"]["lastUpdated"] == marked["marked_at"]
    assert found["note"] == [
        {
            "authorReference": _practitioner(nurse, "Nurse"),
            "time": marked["marked_at"],
            "text": "Wrong patient",
        }
    ]


def test_a_list_is_a_searchset_that_leads_through_its_pages(ward: Ward, nurse: Account) -> None:
    made = [ward.patient(f"Änne {n}", unit_id=ward.unit()) for n in range(5)]
    query = {"q": "änne", "page_size": "2", "page": "2", "nonsense": "1"}
    bundle = resource(ask(ward, nurse, "/api/patients/", query_string=query))
    assert (bundle["type"], bundle["total"]) == ("searchset", 5)
    assert [each["id"] for each in entries(bundle)] == [str(each) for each in made[2:4]]
    assert bundle["entry"][0]["fullUrl"] == f"{LOCAL}/api/patients/{made[2]}/"
    asked = f"{LOCAL}/api/patients/?q=%C3%A4nne&page_size=2&page="
    assert links(bundle) == {
        "self": f"{asked}2",
        "first": f"{asked}1",
        "previous": f"{asked}1",
        "next": f"{asked}3",
        "last": f"{asked}3",
    }
    following = ask(ward, nurse, links(bundle)["next"].removeprefix(LOCAL))
    assert [each["id"] for each in entries(resource(following))] == [str(made[4])]
    assert "next" not in links(resource(following))


def test_an_empty_list_has_no_entries_and_one_page(ward: Ward, nurse: Account) -> None:
    bundle = resource(ask(ward, nurse, "/api/appointments/"))
    assert bundle["total"] == 0
    assert "entry" not in bundle
    assert set(links(bundle)) == {"self", "first", "last"}


def test_a_page_behind_the_last_leads_back_to_it(ward: Ward, nurse: Account, patient: int) -> None:
    bundle = resource(ask(ward, nurse, "/api/patients/", query_string={"page": 9}))
    assert bundle["total"] == 1
    assert "entry" not in bundle
    assert links(bundle)["previous"] == f"{LOCAL}/api/patients/?page=1"
    assert "next" not in links(bundle)


def test_the_lists_of_all_three_are_valid(ward: Ward, nurse: Account, patient: int) -> None:
    made = ward.appointment(ward.doctor(), patient), ward.observation(patient, nurse)
    for where, kind, id_ in (
        ("/api/patients/", "Patient", patient),
        ("/api/appointments/", "Appointment", made[0]),
        (path(patient), "Observation", made[1]),
    ):
        bundle = resource(ask(ward, nurse, where))
        assert [(e["resourceType"], e["id"]) for e in entries(bundle)] == [(kind, str(id_))]
        [full] = [entry["fullUrl"] for entry in bundle["entry"]]
        alone = resource(ask(ward, nurse, full.removeprefix(LOCAL)))
        assert [alone] == entries(bundle)


def test_fhir_shows_no_more_than_json_and_leaves_the_same_event(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    elsewhere = ward.patient("Hidden", unit_id=ward.unit("ICU"))
    events = []
    for accept in ("application/json", "application/fhir+json"):
        told: list[Any] = []
        for where in ("/api/patients/", f"/api/patients/{patient}/", path(patient)):
            answer = ask(ward, nurse, where, accept)
            assert answer.status_code == 200
            assert "Hidden" not in answer.text
            told += [accesses(sql)[-1], latest_detail(sql)]
        refused = ask(ward, nurse, f"/api/patients/{elsewhere}/", accept)
        assert refused.get_json()["code"] == "break_glass_available"
        told += [accesses(sql)[-1], latest_detail(sql)]
        events.append(told)
    assert events[0] == events[1]


def test_the_system_of_the_mrns_is_a_setting(make_app: Any, sql: Sql) -> None:
    ward = Ward(make_app(fhir_mrn_system="urn:oid:2.16.840.1.113883.19.5"))
    nurse = ward.nurse(ward.unit())
    found = resource(ask(ward, nurse, f"/api/patients/{ward.patient(unit_id=ward.unit())}/"))
    assert found["identifier"][0]["system"] == "urn:oid:2.16.840.1.113883.19.5"


def test_addresses_begin_with_the_name_under_which_the_service_was_called(
    ward: Ward, nurse: Account, patient: int
) -> None:
    headers = {"Accept": "application/fhir+json", "Host": "carelink.example"}
    answer = ward.get(nurse, "/api/patients/", headers=headers, base_url="https://carelink.example")
    assert resource(answer)["entry"][0]["fullUrl"] == (
        f"https://carelink.example/api/patients/{patient}/"
    )


def test_without_a_name_there_are_no_addresses(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    before = len(accesses(sql))
    headers = {"Accept": "application/fhir+json", "Host": "no host"}
    answer = ward.get(nurse, f"/api/patients/{patient}/", headers=headers)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert len(accesses(sql)) == before


def test_a_version_read_as_fhir_is_the_one_that_a_change_names(
    ward: Ward, nurse: Account, patient: int
) -> None:
    where = f"/api/patients/{patient}/"
    version = int(resource(ask(ward, nurse, where))["meta"]["versionId"])
    assert ward.patch(nurse, where, {"name": "New"}, version=version).status_code == 200
    assert resource(ask(ward, nurse, where))["meta"]["versionId"] == str(version + 1)


def test_what_was_recorded_in_fractions_of_a_second_is_shown_in_whole_ones(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    at = NOON.replace(microsecond=987_654)
    made = ward.observation(patient, nurse, effective_at=at, recorded_at=at)
    assert sql.get_one(Observation, made).recorded_at == at
    found = resource(ask(ward, nurse, path(patient, made)))
    assert found["issued"] == found["effectiveDateTime"] == "2026-03-01T12:00:00Z"


def _category(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {"coding": [{"system": system, "code": code}]}


def _practitioner(account: Account, name: str) -> dict[str, Any]:
    identifier = {"system": "urn:carelink:user", "value": str(account.id)}
    return {"type": "Practitioner", "identifier": identifier, "display": name}


def test_the_latest_of_each_vital_sign_are_a_bundle_without_pages(
    ward: Ward, nurse: Account, patient: int
) -> None:
    now = clock.now()
    ward.observation(patient, nurse, value=70, effective_at=now - HOUR)
    newest = ward.observation(patient, nurse, value=80, effective_at=now)
    weight = ward.observation(patient, nurse, code="29463-7", value=71.5, unit="kg")
    bundle = resource(ask(ward, nurse, f"{path(patient)}latest/"))
    assert (bundle["type"], bundle["total"]) == ("searchset", 2)
    [link] = bundle["link"]
    assert link == {"relation": "self", "url": f"{LOCAL}{path(patient)}latest/"}
    assert {entry["id"] for entry in entries(bundle)} == {str(newest), str(weight)}
