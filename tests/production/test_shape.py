"""docker-compose.yml and the Dockerfile are valid, and as strict as docs/operations.md says."""

import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from carelink_api.config import Settings
from tests.production.shape import COMPOSE, DOCKERFILE, SERVICES, image_command
from tests.servers import ROOT

JOBS = {"secrets", "migrate"}
EVERY_SERVICE = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_the_compose_file_follows_the_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*checker, ROOT / "docker-compose.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_has_no_fault_that_its_linter_knows() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@EVERY_SERVICE
def test_a_service_can_change_nothing_and_gain_nothing(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "logging", "stop_grace_period", "tmpfs"} <= set(service)
    assert "privileged" not in service


def test_only_the_job_that_hands_out_secrets_is_root_and_it_has_no_network() -> None:
    roots = {name for name, service in SERVICES.items() if service.get("user") == "0:0"}
    assert roots == {"secrets"}
    assert SERVICES["secrets"]["network_mode"] == "none"
    assert SERVICES["secrets"]["cap_add"] == ["CHOWN"]
    assert [name for name, service in SERVICES.items() if "cap_add" in service] == ["secrets"]
    assert DOCKERFILE.count("\nUSER 10001:10001\n") == DOCKERFILE.count("\nUSER 33:33\n") == 1


def test_the_stores_are_reached_by_carelink_alone() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    assert all(COMPOSE["networks"][name]["internal"] for name in ("stores", "inner"))
    assert set(SERVICES["postgres"]["networks"]) == {"stores"}
    assert set(SERVICES["valkey"]["networks"]) == {"stores"}
    assert set(SERVICES["proxy"]["networks"]) == {"front", "inner"}


def test_no_service_sees_anothers_secrets() -> None:
    readers: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.endswith("secrets") and name != "secrets":
                assert rest.endswith(":ro")
                readers.setdefault(source, set()).add(name)
    assert readers.pop("api-secrets") == {"api-1", "api-2"}
    assert readers == {
        "housekeeper-secrets": {"housekeeper"},
        "owner-secrets": {"migrate"},
        "database-secrets": {"postgres"},
        "valkey-secrets": {"valkey"},
        "proxy-secrets": {"proxy"},
    }


@EVERY_SERVICE
def test_no_secret_stands_in_the_environment(service: dict[str, Any]) -> None:
    allowed = {"CARELINK_SECRETS_DIR", "CARELINK_AUDIT_KEY_FILE", "POSTGRES_PASSWORD_FILE"}
    words = ("PASSWORD", "SECRET", "KEY", "URL", "URI")
    given = set(service.get("environment", {})) - allowed
    assert not {name for name in given if any(word in name for word in words)}


@EVERY_SERVICE
def test_an_image_is_pinned(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].partition(":")
    assert tag, name
    assert tag != "latest"


@EVERY_SERVICE
def test_a_service_starts_when_what_it_needs_is_there(service: dict[str, Any]) -> None:
    for name, needed in service.get("depends_on", {}).items():
        by = "completed_successfully" if name in JOBS else "healthy"
        assert needed["condition"] == f"service_{by}"


def test_jobs_run_once_and_the_others_again() -> None:
    again = {name: service["restart"] for name, service in SERVICES.items()}
    assert {name for name, when in again.items() if when == "no"} == JOBS
    assert {when for name, when in again.items() if name not in JOBS} == {"unless-stopped"}


def test_health_is_looked_at_wherever_others_wait_for_it() -> None:
    in_image = {"api-1", "api-2", "proxy"}
    assert DOCKERFILE.count("\nHEALTHCHECK ") == 2
    for name, service in SERVICES.items():
        stated = service.get("healthcheck", {})
        assert ("test" in stated) == (name in {"postgres", "valkey"}), name
        assert (not stated) == (name in in_image), name


def test_what_is_mounted_and_copied_lies_in_the_repository() -> None:
    files = [ROOT / config["file"] for config in COMPOSE["configs"].values()]
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            files += [ROOT / source for source in line.split()[1:-1]]
    assert files
    assert [file for file in files if not file.exists()] == []


def test_the_server_has_the_workers_and_threads_that_operations_promises() -> None:
    words = image_command("api")
    options = dict(pairwise(words))
    assert int(options["--workers"]) >= 2
    assert int(options["--blocking-threads"]) >= 32
    assert "--respawn-failed-workers" in words


def test_the_proxy_takes_bodies_as_large_as_the_application() -> None:
    conf = (ROOT / "carelink_api/deployment/nginx.conf").read_text()
    limit = Settings.model_fields["max_content_length"].default
    assert f"client_max_body_size {limit // 1024}k;" in conf


def test_the_image_s_job_has_what_it_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "cryptography" in project["dependencies"]
