"""Who you are: users, units, passwords."""
