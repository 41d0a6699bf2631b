"""One local AWS for a file's tests, and one input: what differs is what is done to the run."""

from __future__ import annotations

import pytest
from support.cli import local_aws
from support.processes import QUICK, make_input

ROWS = 150


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def slow_aws():
    """An endpoint that takes two seconds: whoever is interrupted has rows waiting there."""
    with local_aws(*QUICK, "service_time.median_s=2", "service_time.sigma=0") as running:
        yield running


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return make_input(tmp_path_factory.mktemp("input") / "in.jsonl", ROWS, seed=5)
