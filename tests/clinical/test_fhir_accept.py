"""Which representation an Accept header gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session as Sql

from carelink_api.clinical.fhir.accept import OFFERED, preferred
from tests.auth.helpers import SQLITE
from tests.auth_helper import Account
from tests.clinical.fhir import ask
from tests.clinical.trail import accesses
from tests.clinical.ward import Ward
from tests.fuzz.bounds import bounded

JSON, V43, V40 = (each.content_type for each in OFFERED)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/json, text/plain, */*", JSON),  # axios
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),  # a browser
        ("application/json; charset=utf-8", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/fhir+json", V43),
        ("Application/FHIR+JSON; charset=utf-8", V43),
        ("application/fhir+json; fhirVersion=4.3", V43),
        ("application/fhir+json; fhirVersion=4.0", V40),
        ("application/fhir+json; FHIRVERSION=4.0", V40),
        ("application/fhir+json; fhirVersion=5.0, application/fhir+json; fhirVersion=4.0", V40),
        ("application/fhir+json; fhirVersion=5.0, */*;q=0.1", JSON),
        ("application/fhir+json, application/json", V43),
        ("application/json, application/fhir+json", V43),
        ("application/fhir+json, */*", V43),
        ("application/fhir+json;q=0.5, application/json;q=0.9", JSON),
        ("application/fhir+json;q=0.9, application/json;q=0.5", V43),
        ("application/fhir+json;q=0.9, */*;q=0.95", JSON),
        ("application/json;q=0, */*", V43),
        ("application/*;q=0.2, application/fhir+json;q=0.1", JSON),
        ("application/fhir+xml;q=1.0, application/fhir+json;q=1.0", V43),  # HAPI's client
        ("application/fhir+json;q=0.000, application/json;q=0.001", JSON),
        ("application/fhir+json;q=much", JSON),  # says nothing
        ("nonsense", JSON),
        (",,;;", JSON),
    ],
)
def test_what_is_liked_best_is_chosen(accept: str | None, content_type: str) -> None:
    chosen = preferred(accept)
    assert chosen is not None
    assert chosen.content_type == content_type


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/fhir+xml",
        "application/fhir+json; fhirVersion=5.0",
        "*/*;q=0",
        "application/json;q=0, application/fhir+json;q=0",
        "application/*;q=0, text/*",
    ],
)
def test_what_we_do_not_have_is_not_chosen(accept: str) -> None:
    assert preferred(accept) is None


@bounded(100)
@given(st.text() | st.from_regex(r"(application/(fhir\+)?json|\*/\*)(;[a-zA-Z]+=[\w.]+)*,?"))
def test_no_header_is_too_odd(accept: str) -> None:
    assert preferred(accept) in (None, *OFFERED)


@SQLITE
def test_each_answer_says_that_it_depends_on_accept(
    ward: Ward, nurse: Account, patient: int
) -> None:
    for where in ("/api/patients/", f"/api/patients/{patient}/"):
        for accept in ("application/json", "application/fhir+json", "text/html"):
            vary = ask(ward, nurse, where, accept).headers["Vary"]
            assert {"Accept", "Origin"} <= set(vary.split(", "))


@SQLITE
def test_what_cannot_be_given_is_a_problem_and_no_access(
    ward: Ward, nurse: Account, patient: int, sql: Sql
) -> None:
    ward.access(nurse)
    before = accesses(sql)
    for where in ("/api/patients/", "/api/appointments/", f"/api/patients/{patient}/",
                  f"/api/patients/{patient}/observations/",
                  f"/api/patients/{patient}/observations/latest/"):  # fmt: skip
        answer = ask(ward, nurse, where, "application/fhir+xml")
        assert (answer.status_code, answer.mimetype) == (406, "application/problem+json")
        assert answer.get_json()["code"] == "not_acceptable"
    assert accesses(sql) == before


@SQLITE
def test_an_error_stays_a_problem_where_fhir_was_asked_for(ward: Ward, nurse: Account) -> None:
    answer = ask(ward, nurse, "/api/patients/999/")
    assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
    answer = ask(ward, nurse, "/api/patients/", query_string={"page": "0"})
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")


@SQLITE
def test_json_is_what_it_was(ward: Ward, nurse: Account, patient: int) -> None:
    answer = ward.get(nurse, f"/api/patients/{patient}/")
    assert (answer.mimetype, answer.headers["ETag"]) == ("application/json", '"1"')
    assert "version" not in answer.get_json()
    assert "version" not in ward.get(nurse, "/api/patients/").get_json()["items"][0]
