"""Whatever happens to Redis."""
