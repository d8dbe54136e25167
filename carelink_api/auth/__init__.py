"""The auth blueprint: log in, refresh, log out, own sessions, password."""
