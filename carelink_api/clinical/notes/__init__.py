"""Clinical notes: signed when they are written, amended by one more version."""
