"""Break-glass: emergency access to one record outside the care relationship, and its review."""
