"""Patients: who is here, where they lie, and from when to when."""
