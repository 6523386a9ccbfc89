"""The two spaces: the real one, and exercises, from which nothing may leave.

An exercise is this program on a database of its own. Every way out of the program asks here first.
"""

from prometheus_client import Counter

from datlanh.kernel.settings import Settings
from datlanh.model.errors import Refused

KEPT_IN = Counter("datlanh_exercise_kept_in_total", "What wanted to leave an exercise and did not.", ["door"])


def leave(settings: Settings, door: str) -> None:
    """Pass only in the real space; in an exercise it is refused, whatever the settings say."""
    if settings.exercise:
        KEPT_IN.labels(door).inc()
        raise Refused("exercise.stays_in", door=door)
