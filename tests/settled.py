"""The application, whose workers trust their memory as soon as they hear and beat.

For tests and measurements: else they ask Redis for their first minute.
"""

from carelink_api.sessions import pulse

pulse.SETTLED_SECONDS = 0.0

from wsgi import app as app  # noqa: E402
