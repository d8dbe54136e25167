"""The session client's pure rules, in node."""

import subprocess
from pathlib import Path

TESTS = Path(__file__).with_name("session_rules.test.mjs")


def test_the_rules_of_the_session_client(node_modules: Path) -> None:
    run = subprocess.run(["node", "--test", str(TESTS)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
