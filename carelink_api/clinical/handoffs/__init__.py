"""Handoffs: a nurse hands a patient over, and another accepts."""
