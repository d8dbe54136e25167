"""FHIR as the tests ask for it, and held against the specification by `fhir.resources`."""

from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from tests.auth_helper import Account
from tests.clinical.ward import Ward

FHIR_JSON = "application/fhir+json"


def ask(ward: Ward, account: Account, path: str, accept: str = FHIR_JSON, **options: Any) -> Any:
    return ward.get(account, path, headers={"Accept": accept}, **options)


def resource(answer: Any) -> dict[str, Any]:
    """Return the resource of an answer, which is valid and has lost nothing by being read."""
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == FHIR_JSON
    found: dict[str, Any] = answer.get_json()
    model = get_fhir_model_class(found["resourceType"]).model_validate(found)
    assert set(model.model_dump()) == set(found)
    return found


def entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of a bundle, whose every entry was found and stands where it says."""
    for entry in bundle.get("entry", []):
        assert entry["search"] == {"mode": "match"}
        assert entry["fullUrl"].endswith(f"/{entry['resource']['id']}/")
    return [entry["resource"] for entry in bundle.get("entry", [])]


def links(bundle: dict[str, Any]) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in bundle["link"]}
