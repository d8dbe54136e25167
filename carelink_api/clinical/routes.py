"""Every blueprint of the clinical API."""

from .appointments.routes import bp as appointments
from .patients.routes import bp as patients

blueprints = (patients, appointments)
