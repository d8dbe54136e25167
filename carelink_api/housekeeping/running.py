"""The housekeeper's loop."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from .. import clock
from ..extensions import db
from ..sessions.runtime import Runtime
from ..stopping import StopFlag
from .keeper import Housekeeper

log = structlog.get_logger(__name__)

TICK_SECONDS = 1.0


def run(parts: Runtime, stopping: StopFlag) -> None:
    """Do a round each second until `stopping` is set; one after the other while there is more."""
    keeper = Housekeeper(parts)
    more = False
    while not stopping.wait(0.0 if more else TICK_SECONDS):
        more = _one_round(keeper)


def _one_round(keeper: Housekeeper) -> bool:
    sql = db.session()
    try:
        chores = keeper.round(sql, clock.now())
    except SQLAlchemyError as error:  # the next round tries again; nothing is lost meanwhile
        sql.rollback()
        log.warning("housekeeping_failed", kind=type(error).__name__)
        return False
    if chores.expired or chores.pruned or not chores.redis_knows:
        log.info(
            "housekeeping",
            expired=chores.expired,
            redis_knows=chores.redis_knows,
            pruned=chores.pruned,
        )
    return chores.more
