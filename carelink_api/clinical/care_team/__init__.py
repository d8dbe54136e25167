"""Care teams: who looks after whom, from when to when."""
