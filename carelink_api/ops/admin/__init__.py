"""Accounts, as administrators see and change them. Nobody's password is in it."""
