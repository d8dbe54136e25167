"""The README says what is so."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from carelink_api.config import Settings
from carelink_api.session_profiles import ProfileName

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ROWS = re.findall(r"^\| `([A-Za-z_<>]+)` \| (.*?) \| ", README.read_text(), re.MULTILINE)
PER_PROFILE = re.compile(r"SESSION_PROFILES__<profile>__(\w+)")


def test_the_client_to_start_from_stands_there_once() -> None:
    _, client = README.read_text().split("\n## A client to start from\n")

    assert re.findall(r"^```js$", README.read_text(), re.MULTILINE) == ["```js"]
    assert 'import { createSession } from "/static/session.js"' in client


@pytest.mark.parametrize("page", ["README.md", "docs/session-client.md"])
def test_what_is_called_of_the_session_client_is_there(page: str) -> None:
    script = (ROOT / "carelink_api/static/session.js").read_text()
    there = set(re.findall(r"^  (?:async |get )?(\w+)\(.*\) \{$", script, re.MULTILINE))
    called = set(re.findall(r"\bsession\.(\w+)", (ROOT / page).read_text())) - {"js"}

    assert len(called) >= 4
    assert called <= there | {"addEventListener", "removeEventListener"}


def test_every_setting_has_a_line_in_the_table() -> None:
    named = {name.lower() for name, _ in ROWS if not PER_PROFILE.match(name)}

    assert named == set(Settings.model_fields) - {"session_profiles"}


@pytest.mark.parametrize(
    ("name", "told"), [row for row in ROWS if row[1] != "–" and not PER_PROFILE.match(row[0])]
)
def test_the_table_tells_the_default(name: str, told: str) -> None:
    default = Settings.model_fields[name.lower()].default

    assert told.strip("`") == (default if isinstance(default, str) else json.dumps(default))


@pytest.mark.parametrize(("name", "told"), [row for row in ROWS if PER_PROFILE.match(row[0])])
def test_the_table_tells_every_profiles_default(name: str, told: str) -> None:
    found = PER_PROFILE.match(name)
    assert found is not None
    profiles = Settings().session_profiles

    defaults = [getattr(profiles[profile], found[1]) for profile in get_args(ProfileName)]

    assert told.split(" · ") == [str(default) for default in defaults]
