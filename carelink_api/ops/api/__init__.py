"""The operations API: what the console shows, and what it can do."""
