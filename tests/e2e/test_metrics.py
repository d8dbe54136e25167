"""/metrics over several workers: whichever is asked answers for all, and the dead do not lag."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import MakeServer
from tests.e2e.test_lost_workers import kill_workers
from tests.processes import wait_for
from tests.servers import ApiServer

KEYS = {"method": "GET", "route": "/.well-known/jwks.json", "status": "200"}


def value(server: ApiServer, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics", timeout=60).text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_any_worker_tells_what_all_have_counted(api_server: MakeServer) -> None:
    server = api_server(workers=2)
    name = "carelink_request_duration_seconds_count"
    for _ in range(30):  # each on a connection of its own, so that both workers get some
        httpx.get(f"{server.url}/.well-known/jwks.json", timeout=60)
    wait_for(lambda: value(server, name, **KEYS) == 30, "both workers to have counted")
    assert {value(server, name, **KEYS) for _ in range(10)} == {30}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_dead_workers_pulse_is_nobodys(api_server: MakeServer) -> None:
    server = api_server(workers=2)
    name = "carelink_pulse_read_timestamp_seconds"
    wait_for(lambda: value(server, name) > 0, "a pulse")
    last = value(server, name)
    kill_workers(server, server.worker_pids()[:1])
    wait_for(lambda: value(server, name) > last + 2, "the living ones alone")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_worker_that_is_stopped_writes_the_lines_of_its_last_answers(
    api_server: MakeServer,
) -> None:
    server = api_server(workers=2)
    ids = {f"last-request-{number}" for number in range(20)}
    for each in ids:
        url = f"{server.url}/health/live/"
        assert httpx.get(url, headers={"X-Request-ID": each}, timeout=60).status_code == 200
    server.stop()
    assert {each for each in ids if f'"{each}"' in server.log()} == ids
