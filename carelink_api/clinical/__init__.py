"""The clinical blueprint: what the guard guards."""
