"""Observations: vital signs, as they were measured."""
