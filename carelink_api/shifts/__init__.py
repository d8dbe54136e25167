"""The roster: who works where, and from when to when."""
