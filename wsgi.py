"""What a WSGI server imports: `granian --interface wsgi wsgi:app`."""

import gc

from carelink_api import create_app
from carelink_api.config import UnsafeSettings
from carelink_api.ops.starting import refuse_unsafe

try:
    app = create_app()
    refuse_unsafe(app)
except UnsafeSettings as fault:
    raise SystemExit(str(fault)) from None

# All of this lives as long as the process. Looking for garbage among it would hold every request
# of the worker for a tenth of a second, each time the collector comes to its oldest objects.
gc.collect()
gc.freeze()
