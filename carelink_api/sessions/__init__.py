"""The core: sessions that start, rotate and end, and the guard that asks whether they have."""
