"""What keeps a process's daemon threads alive."""

import threading

from carelink_api.sessions.background import DaemonThread

MORE_THAN_THERE_IS = 2**47
"""Bytes of stack: the system refuses to start such a thread, as it does at its limit of threads."""


def test_a_process_that_gets_no_thread_goes_on_and_tries_again() -> None:
    ran = threading.Event()
    daemon = DaemonThread("pulse", ran.set)
    usual = threading.stack_size(MORE_THAN_THERE_IS)
    try:
        daemon.ensure_running()
    finally:
        threading.stack_size(usual)
    assert not ran.is_set()
    daemon.ensure_running()
    assert ran.wait(30)
