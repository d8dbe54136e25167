"""What a WSGI server imports: `granian --interface wsgi wsgi:app`."""

from carelink_api import create_app
from carelink_api.config import UnsafeSettings

try:
    app = create_app()
except UnsafeSettings as fault:
    raise SystemExit(str(fault)) from None
