"""A campaign: Schemathesis against one running server, as one person, and what it has found."""

import gc
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from tests.fuzz.bounds import SAME_EACH_TIME, SEED, TIMES
from tests.fuzz.people import Person
from tests.servers import ApiServer

CONFIG = Path(__file__).with_name("schemathesis.toml")
SECRET_MEMBERS = (
    "password", "current_password", "new_password", "refresh", "token", "access",
)  # fmt: skip


@dataclass
class Report:
    """What was sent, what came back, and what was wrong with it."""

    failures: list[str] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """By operation id."""
    secrets: set[str] = field(default_factory=set)
    """Every password and token of a request or an answer."""

    cookies: Counter[str] = field(default_factory=Counter)
    """By operation id: how many good answers have set the cookies."""

    def total(self, status: int) -> int:
        """Return how many answers had that status."""
        return sum(found[status] for found in self.statuses.values())

    def add(self, recorder: ScenarioRecorder) -> None:
        """Take in one scenario of the engine."""
        for case_id, node in recorder.cases.items():
            case, interaction = node.value, recorder.interactions.get(case_id)
            self.secrets.update(_secrets(case.body))
            self.secrets.update(filter(_is_token, (case.cookies or {}).values()))
            if interaction is not None and interaction.response is not None:
                response = interaction.response
                if case.method.upper() == case.operation.method.upper():  # not one tried on top
                    operation = case.operation.definition.raw["operationId"]
                    self.statuses[operation][response.status_code] += 1
                    self.cookies[operation.removesuffix("_alias")] += _sets_cookies(response)
                self.secrets.update(_secrets(_json(response.content)))
        for checks in recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    found = check.failure_info
                    self.failures.append(
                        f"{check.name}: {found.failure.title}: {found.failure.message}\n"
                        f"  {found.code_sample}"
                    )


def run(
    server: ApiServer,
    person: Person | None,
    *,
    aliases: bool = False,
    token_endpoints_only: bool = False,
    every_bound: bool = True,
    bounds_of: Sequence[str] = (),
    only: Sequence[str] = (),
    examples: int = 5,
    **checks: dict[str, Any],
) -> Report:
    """Fuzz the server by the document that it serves; as a stranger where there is no person.

    `every_bound` tries each bound of each field (the coverage phase), with `bounds_of` only of
    operations with these tags or ids. `only` asks for these operations alone. `checks` relaxes
    some for the whole campaign, as the file does for one operation, where both then hold.
    """
    config = _config(examples, checks, bounds_of)
    schema = schemathesis.openapi.from_dict(_document(server, only), config=config)
    schema.config.update(base_url=server.url)
    schema.config.phases.coverage.enabled = every_bound
    if not aliases:
        schema = schema.exclude(deprecated=True)
    if token_endpoints_only:
        schema = schema.include(tag="auth")
    if person is not None:
        schema.auth.providers.append(person)
    report = Report()
    for event in from_schema(schema).execute():
        _take_in(report, event)
    _hang_up()
    return report


def _hang_up() -> None:
    """Close the connections that the engine leaves open, or another test would stumble on them."""
    for found in gc.get_objects():
        if issubclass(type(found), requests.Session):
            found.close()


def _take_in(report: Report, event: events.EngineEvent) -> None:
    match event:
        case events.FatalError():
            raise event.exception
        case events.NonFatalError():
            report.failures.append(f"{event.label}: {event.info.title}: {event.info.message}")
        case events.ScenarioFinished():
            report.phases[event.phase.value] += len(event.recorder.interactions)
            report.add(event.recorder)


def _document(server: ApiServer, only: Sequence[str]) -> dict[str, Any]:
    """Return the document, without the answer for everything else: it would excuse any status.

    With the operations `only`, where some are named, and links to none.
    """
    with server.client() as client:
        document: dict[str, Any] = client.get("/api/openapi.json").raise_for_status().json()
    for item in document["paths"].values():
        for method, operation in list(item.items()):
            if not isinstance(operation, dict):
                continue
            del operation["responses"]["default"]
            if only and operation["operationId"] not in only:
                del item[method]
            elif only:
                for answer in operation["responses"].values():
                    answer.pop("links", None)
    return document


def _config(examples: int, checks: dict[str, Any], bounds_of: Sequence[str]) -> SchemathesisConfig:
    given = tomllib.loads(CONFIG.read_text())
    given["generation"] |= {"max-examples": examples * TIMES, "deterministic": SAME_EACH_TIME}
    for operation in given["operations"]:
        for name, check in operation["checks"].items():
            of_all = checks.get(name, {}).get("expected-statuses", [])
            check["expected-statuses"] = [*check["expected-statuses"], *of_all]
    if bounds_of:
        without, names = {"coverage": {"enabled": False}}, list(bounds_of)
        others = {"exclude-tag": names, "exclude-operation-id": names}
        given["operations"].append(others | {"phases": without})
    checks = given["checks"] | checks
    return SchemathesisConfig.from_dict(given | {"seed": SEED, "checks": checks})


def _sets_cookies(response: Response) -> bool:
    return response.status_code == 200 and "set-cookie" in response.headers


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("eyJ")


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _secrets(body: Any) -> Iterator[str]:
    """Yield what nobody may log; too short or plain a text stands in a log by chance."""
    if isinstance(body, dict):
        for name in SECRET_MEMBERS:
            value = body.get(name)
            if isinstance(value, str) and len(value) >= 12 and len(set(value)) >= 6:
                yield value
