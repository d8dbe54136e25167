"""Every blueprint of the clinical API."""

from .appointments.routes import bp as appointments
from .break_glass.routes import bp as break_glass
from .care_team.routes import bp as care_team
from .charts.routes import bp as charts
from .handoffs.routes import bp as handoffs
from .notes.routes import bp as notes
from .observations.routes import bp as observations
from .patients.routes import bp as patients
from .shifts.routes import bp as shifts
from .statistics.routes import bp as statistics
from .units.routes import bp as units

blueprints = (
    shifts,
    patients,
    care_team,
    appointments,
    observations,
    handoffs,
    notes,
    break_glass,
    charts,
    statistics,
    units,
)
