"""Short stories in which the state machine once found something."""

from collections.abc import Callable, Iterator

import pytest

from tests.model.faults import MachineUnderFire
from tests.model.oracle import Windows
from tests.model.redis_under_fire import Mode

ICU = "icu@doctors.example"


@pytest.fixture
def machine(make_machine: Callable[[Windows, str], MachineUnderFire]) -> Iterator[MachineUnderFire]:
    machine = make_machine(Windows(rotate=True, grace=10, lost_response=900), "memory")
    machine.start()
    yield machine
    machine.teardown()


def test_a_password_change_that_a_revocation_overtakes_is_audited(
    machine: MachineUnderFire,
) -> None:
    sid = machine.log_in(ICU, 0)
    machine.beat(0)
    machine.redis_fails(Mode.HUNG)
    machine.revoke_a_unit()
    machine.every_operation_has_exactly_one_audit_event()
    machine.change_the_password(sid, 0)
    machine.every_operation_has_exactly_one_audit_event()
