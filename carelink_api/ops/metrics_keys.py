"""What a scrape tells of the keys: how many there are by state, and since when one signs."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily
from sqlalchemy.orm import Session as Sql

from ..auth.key_rules import KeyState
from ..auth.key_store import all_keys


def key_families(sql: Sql) -> Iterator[GaugeMetricFamily]:
    """Count the keys in the database, in one statement; none where the settings name them.

    Raises SQLAlchemyError.
    """
    rows = all_keys(sql)
    found = Counter(row.state for row in rows)
    keys = GaugeMetricFamily("carelink_keys", "Keys in the database.", labels=("state",))
    for state in KeyState:
        keys.add_metric((state,), found[state])
    yield keys
    since = GaugeMetricFamily(
        "carelink_signing_key_timestamp_seconds",
        "When the key that signs was first promoted; 0 where the settings name it.",
    )
    signing = (row.promoted_at for row in rows if row.state is KeyState.SIGNING)
    since.add_metric((), max((at.timestamp() for at in signing if at), default=0.0))
    yield since
