"""What holds for every test: in CI hypothesis draws the same examples each time, by hand new ones.

`--hypothesis-profile=thorough` draws ten times as many; a test that asks for a number of its own asks for its share.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from support import garbage

# How long an example takes says how busy the machine is.
ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", ANY_SPEED, derandomize=True)
settings.register_profile("dev", ANY_SPEED)
settings.register_profile("thorough", ANY_SPEED, max_examples=1_000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Many tests start interpreters: each would compile the whole program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """Leave what was collected out of every collection of garbage from here on."""
    garbage.freeze()
