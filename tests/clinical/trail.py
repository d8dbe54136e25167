"""What the audit trail says of accesses to records."""

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from carelink_api.audit.models import AuditedPatient, AuditEvent


def accesses(sql: Sql) -> list[tuple[str, str, str | None, list[int]]]:
    """Return every event about records so far: its name, outcome, reason and patients."""
    sql.rollback()
    asked = select(AuditEvent).where(
        AuditEvent.event.not_like("login:%"), AuditEvent.event.not_like("user:%"),
        AuditEvent.event.not_like("unit:%"), AuditEvent.event.not_like("session:%"),
    )  # fmt: skip
    about = select(AuditedPatient.patient_id).order_by(AuditedPatient.patient_id)
    return [
        (each.event, each.outcome, each.reason,
         list(sql.scalars(about.where(AuditedPatient.event_id == each.id))))
        for each in sql.scalars(asked.order_by(AuditEvent.id))
    ]  # fmt: skip


def latest_detail(sql: Sql) -> dict[str, object]:
    """Return what the latest event says besides."""
    sql.rollback()
    return sql.scalars(select(AuditEvent.detail).order_by(AuditEvent.id.desc())).first() or {}
