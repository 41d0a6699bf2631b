"""What holds for every test: in CI hypothesis draws the same examples each time, by hand new ones.

`--hypothesis-profile=whole` draws twice as many as the tests of every day, which are the first of the same in CI, and
`thorough` twenty times as many; a test that asks for a number of its own asks for its share.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from support import garbage

# How long an example takes says how busy the machine is.
ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY_DAY = settings(ANY_SPEED, derandomize=bool(os.environ.get("CI")), max_examples=50)
settings.register_profile("every-day", EVERY_DAY)
settings.register_profile("whole", EVERY_DAY, max_examples=100)
settings.register_profile("thorough", ANY_SPEED, max_examples=1_000)
settings.load_profile("every-day")

# Many tests start interpreters: each would compile the whole program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """Leave what was collected out of every collection of garbage from here on."""
    garbage.freeze()
