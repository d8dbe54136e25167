"""The doctor's rule on files with secrets: who else on this machine can open them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from ..config import PREFIX, Settings
from .findings import Finding, fine, warn

_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP


def check_files(settings: Settings) -> Finding:
    """Judge the modes of files in CARELINK_SECRETS_DIR and of the audit trail's keys.

    Files of signing keys are judged with the ring: production refuses those.
    """
    name = "files with secrets"
    exposed = [str(file) for file in _files(settings) if _is_exposed(file)]
    if not exposed:
        return fine(name, "opened by their account alone")
    return warn(
        name,
        f"Everybody on this machine can open, or others can change, {', '.join(exposed)}.",
        "Whoever reads them makes tokens for any user, or reaches the stores (ASVS 13.3.1).",
        "chmod 0400, owned by the account that runs CareLink; in a container, where one account "
        "is all there is, give the secret mode 0400 where it is mounted.",
    )


def _files(settings: Settings) -> Iterator[Path]:
    yield from map(Path, filter(None, (settings.audit_key_file, *settings.audit_old_key_files)))
    if settings.secrets_dir and (folder := Path(settings.secrets_dir)).is_dir():
        yield from sorted(file for file in folder.iterdir() if file.name.upper().startswith(PREFIX))


def _is_exposed(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & _OTHERS)
    except OSError:  # who needs it says that it is missing
        return False
