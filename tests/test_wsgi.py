"""What a server imports."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import TEST_SETTINGS
from tests.servers import ROOT, ValkeyServer

_COUNT = """
import gc, wsgi
gc.collect()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_the_collector_does_not_hold_a_worker_to_look_through_what_lives_as_long_as_it(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Modules, mappings, routes: a tenth of a second of every request, each time."""
    ours = {
        "CARELINK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/carelink.db",
        "CARELINK_REDIS_URL": valkey.url,
        "CARELINK_JWT_SECRET_KEY": TEST_SETTINGS["jwt_secret_key"],
        "CARELINK_ENV": "development",
    }
    env = {k: v for k, v in os.environ.items() if not k.startswith("CARELINK_")} | ours
    done = subprocess.run(
        [sys.executable, "-c", _COUNT], cwd=ROOT, env=env, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    frozen, looked_through = map(int, done.stdout.split())
    assert frozen > 100_000
    assert looked_through < frozen / 10
