"""What a worker's memory takes: in a module that a new process can import."""

import gc
import time

import psutil

from carelink_api.sessions.ended import EndedSessions
from carelink_api.sessions.grants import new_sid
from carelink_api.sessions.packed import fingerprint
from carelink_api.sessions.reasons import EndReason

THOUSAND = 1000


def grown_by(count: int, packed: bool) -> int:
    """Return by how many bytes the process grows with so many ended sessions."""
    ended, process = EndedSessions(), psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    for _ in range(count // THOUSAND):
        sids = [new_sid() for _ in range(THOUSAND)]
        if packed:
            ended.pack([fingerprint(sid) for sid in sids], time.time(), EndReason.REVOKED)
        else:
            for sid in sids:
                ended.add(sid, time.time(), EndReason.REVOKED, ended=True)
    for _ in ended.tidy() if packed else ():  # as the pulse does between two looks
        pass
    return int(process.memory_info().rss - before)
