"""The audit trail: immutable who, what, when and where."""
