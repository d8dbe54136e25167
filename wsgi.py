"""What a WSGI server imports: `granian --interface wsgi wsgi:app`."""

from carelink_api import create_app
from carelink_api.config import UnsafeSettings
from carelink_api.ops.starting import refuse_unsafe

try:
    app = create_app()
    refuse_unsafe(app)
except UnsafeSettings as fault:
    raise SystemExit(str(fault)) from None
