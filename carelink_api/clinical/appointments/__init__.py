"""Appointments: a doctor sees a patient at a time."""
