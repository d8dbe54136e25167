"""The production shape as the repository states it, and all that a test changes of it.

Everything else that the tests run is what `docker-compose.yml`, `Dockerfile` and the files beside
`carelink_api/deployment` say.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.servers import ROOT

COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
DEPLOYMENT = ROOT / "carelink_api" / "deployment"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@dataclass(frozen=True)
class Places:
    """Where the processes of a test lie and listen: no containers, no names, one loopback."""

    folder: Path
    database: int
    valkey: int
    replicas: tuple[int, int]
    https: int
    http: int
    live: int

    def nginx(self) -> dict[str, str]:
        return {
            "/tmp/": f"{self.folder}/",
            "/run/secrets/proxy/": f"{self.folder}/secrets/proxy/",
            "/srv/acme": f"{self.folder}/acme",
            "listen 8443": f"listen 127.0.0.1:{self.https}",
            "listen 8080": f"listen 127.0.0.1:{self.http}",
            "127.0.0.1:8081": f"127.0.0.1:{self.live}",
            "api-1:8000": f"127.0.0.1:{self.replicas[0]}",
            "api-2:8000": f"127.0.0.1:{self.replicas[1]}",
        }

    def valkey_conf(self) -> dict[str, str]:
        return {
            "bind * -::*": "bind 127.0.0.1",
            "port 6379": f"port {self.valkey}",
            "/run/secrets/valkey/": f"{self.folder}/secrets/valkey/",
            "dir /data": f"dir {self.folder}",
        }

    def database_sql(self) -> dict[str, str]:
        return {"/run/secrets/database/": f"{self.folder}/secrets/database/"}

    def api(self, replica: int) -> dict[str, str]:
        return {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8000": str(replica)}

    def secrets(self) -> list[str]:
        """What the one-shot job is told beside its command."""
        return [
            *("--folder", str(self.folder / "secrets")),
            *("--database", f"127.0.0.1:{self.database}"),
            *("--valkey", f"127.0.0.1:{self.valkey}"),
        ]

    def environment(self, service: str = "api-1") -> dict[str, str]:
        settings = _plain(SERVICES[service]["environment"])
        assert settings["CARELINK_SECRETS_DIR"] == "/run/secrets/carelink"
        (volume,) = [each for each in SERVICES[service]["volumes"] if "/run/secrets" in each]
        handed_out = volume.partition("-secrets:")[0]
        here = str(self.folder / "secrets" / handed_out)
        return {
            name: value.replace("/run/secrets/carelink", here) for name, value in settings.items()
        }


def placed(text: str, changes: Mapping[str, str]) -> str:
    """Return a configuration with its places changed; each of them must be in it."""
    for stated, here in changes.items():
        assert stated in text, f"{stated} is not stated any more"
        text = text.replace(stated, here)
    return text


def placed_command(words: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """Return a command with whole words changed; each of them must be in it."""
    assert set(changes) <= set(words), words
    return [changes.get(word, word) for word in words]


def command(service: str) -> list[str]:
    """Return a service's command, with the program that this environment has for it."""
    words = [_default(word) for word in SERVICES[service]["command"]]
    runs = {"flask": [sys.executable, "-m", "flask"], "python": [sys.executable]}
    return [*runs.get(words[0], [words[0]]), *words[1:]]


def image_command(stage: str) -> list[str]:
    """Return the CMD of one stage of the Dockerfile."""
    text = re.split(r"^FROM .* AS ", DOCKERFILE.replace("\\\n", ""), flags=re.M)
    (body,) = [part for part in text if part.startswith(stage + "\n")]
    (found,) = re.findall(r"^CMD (\[.*\])$", body, flags=re.M)
    words: list[str] = json.loads(found)
    return words


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: _default(value) for name, value in environment.items()}


def _default(value: str) -> str:
    """Return what a `${NAME:-default}` stands for where nobody has set it."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
