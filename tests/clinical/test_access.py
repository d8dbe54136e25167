"""The rule of who may see which appointments."""

import subprocess
import sys

import pytest

from carelink_api.accounts.models import UserType
from carelink_api.clinical.access import Nothing, OwnAsDoctor, OwnAsPatient, appointment_scope

OTHERS = [*sorted(set(UserType) - {"doctor", "patient"}), "", "Doctor", "x"]


def test_a_doctor_sees_the_appointments_in_which_they_are_the_doctor() -> None:
    assert appointment_scope("doctor", 7) == OwnAsDoctor(7)


def test_a_patient_sees_the_appointments_in_which_they_are_the_patient() -> None:
    assert appointment_scope("patient", 7) == OwnAsPatient(7)


@pytest.mark.parametrize("user_type", OTHERS)
def test_every_other_user_type_sees_nothing(user_type: str) -> None:
    assert appointment_scope(user_type, 7) == Nothing()


def test_the_rule_itself_imports_neither_flask_nor_sqlalchemy() -> None:
    source = appointment_scope.__code__.co_filename
    program = f"import runpy, sys; runpy.run_path({source!r}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"flask", "sqlalchemy"} & set(loaded)
