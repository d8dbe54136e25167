"""A crowd of users who are all logged in: a million sessions in some seconds, on PostgreSQL."""

import psycopg

SESSIONS_EACH = 4
"""Of a user: a ward's tablet, a workstation, a phone, and one that was forgotten."""
PROFILE = "standard"
_USERS = """
INSERT INTO users (email, name, user_type, password_hash, created_at, password_changed_at,
                   failed_logins)
SELECT 'crowd' || i || '@scale.example', 'Crowd ' || i, 'nurse', 'none', now(), now(), 0
FROM generate_series(1, %(users)s) AS i
"""
_SESSIONS = """
INSERT INTO sessions (id, user_id, profile, device_name, address, started_at, expires_at,
                      latest_expires_at, last_active_at, generation, refresh_jti,
                      refresh_issued_at, retired, used_generation, late_reissues, late_generation)
SELECT translate(left(encode(decode(md5(i || random()::text), 'hex'), 'base64'), 22), '+/', '-_'),
       people.first + i %% %(users)s, %(profile)s, 'Ward tablet', '10.' || i %% 200 || '.' ||
       i %% 250 || '.' || i %% 240, begun, begun + interval '12 hours',
       begun + interval '12 hours', begun, 1, left(md5(random()::text), 22), begun, '[]', 1, 0, 0
FROM (SELECT min(id) AS first FROM users WHERE email LIKE 'crowd%%') AS people,
     generate_series(1, %(sessions)s) AS i,
     LATERAL (SELECT now() - i %% 40000 * interval '1 second' AS begun) AS times
"""


def gather(connection: psycopg.Connection, sessions: int) -> None:
    """Make that many live sessions, and the users whose they are."""
    with connection.transaction():
        users = max(sessions // SESSIONS_EACH, 1)
        connection.execute(_USERS, {"users": users})
        connection.execute(_SESSIONS, {"users": users, "sessions": sessions, "profile": PROFILE})
    connection.execute("VACUUM ANALYZE users, sessions")
    connection.execute("CHECKPOINT")  # with used log files at hand, as where it runs for long
