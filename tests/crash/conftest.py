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
def _held_aws():
    with local_aws(*QUICK, "cold_start_s=3600") as running:
        yield running


@pytest.fixture
def held_aws(_held_aws):
    """An endpoint without instances: what it accepts waits there until the test scales it up."""
    _held_aws.scale(0)
    return _held_aws


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return make_input(tmp_path_factory.mktemp("input") / "in.jsonl", ROWS, seed=5)
