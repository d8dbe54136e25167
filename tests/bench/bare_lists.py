"""Two bare routes, Flask and SQLAlchemy alone, that read and shape a ward's lists as ours do.

Nobody is asked who they are, nothing is decided and nothing written down.
"""

import os
from typing import Any

from flask import Flask, Response, jsonify
from sqlalchemy import ColumnElement, Select, create_engine, func, select
from sqlalchemy.orm import Session as Sql
from sqlalchemy.orm import aliased

from carelink_api.accounts.models import Unit, User
from carelink_api.api import FastJson
from carelink_api.clinical.models import Appointment, Patient

app = Flask(__name__)
app.json = FastJson(app)
engine = create_engine(os.environ["BENCH_DATABASE"])
WARD_ID = int(os.environ["BENCH_WARD_ID"])
PAGE_SIZE = 50
doctor = aliased(User)
IN_THE_WARD = Patient.unit_id == WARD_ID


@app.get("/health/live/")
def live() -> Response:
    return jsonify(status="live")


@app.get("/appointments")
def appointments() -> Response:
    asked = (
        select(
            Appointment.id,
            Appointment.starts_at,
            Appointment.ends_at,
            Appointment.status,
            Appointment.description,
            doctor.id.label("doctor_id"),
            doctor.name.label("doctor_name"),
            Patient.id.label("patient_id"),
            Patient.name.label("patient_name"),
        )
        .join(doctor, Appointment.doctor_id == doctor.id)
        .join(Patient, Appointment.patient_id == Patient.id)
        .where(IN_THE_WARD)
    )
    rows, total = _read(asked, Appointment.starts_at, Appointment.id)
    items = [
        {
            "id": row.id,
            "starts_at": row.starts_at,
            "ends_at": row.ends_at,
            "status": row.status,
            "description": row.description,
            "doctor": {"id": row.doctor_id, "name": row.doctor_name},
            "patient": {"id": row.patient_id, "name": row.patient_name},
        }
        for row in rows
    ]
    return jsonify(items=items, total=total, page=1, page_size=PAGE_SIZE)


@app.get("/patients")
def patients() -> Response:
    asked = (
        select(
            Patient.id,
            Patient.mrn,
            Patient.name,
            Patient.birth_date,
            Patient.bed,
            Patient.admitted_at,
            Patient.discharged_at,
            Unit.id.label("unit_id"),
            Unit.name.label("unit_name"),
        )
        .outerjoin(Unit, Patient.unit_id == Unit.id)
        .where(IN_THE_WARD)
    )
    rows, total = _read(asked, Patient.name_key, Patient.id)
    items = [
        {
            "id": row.id,
            "mrn": row.mrn,
            "name": row.name,
            "birth_date": row.birth_date,
            "unit": {"id": row.unit_id, "name": row.unit_name},
            "bed": row.bed,
            "admitted_at": row.admitted_at,
            "discharged_at": row.discharged_at,
        }
        for row in rows
    ]
    return jsonify(items=items, total=total, page=1, page_size=PAGE_SIZE)


def _read(asked: Select[*tuple[Any, ...]], *order: ColumnElement[Any] | Any) -> tuple[Any, int]:
    with Sql(engine) as sql:
        every = asked.with_only_columns(func.count(), maintain_column_froms=True)
        total = sql.scalar(every) or 0
        return sql.execute(asked.order_by(*order).limit(PAGE_SIZE)).all(), total
