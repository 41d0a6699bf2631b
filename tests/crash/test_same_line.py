"""One line that is started twice at once, and again after kills: small; `same_line.py` does it a hundred times."""

from __future__ import annotations

import random

import pytest
from crash.same_line import kills, races
from support.outputs_in_s3 import in_s3
from support.processes import OUTPUT, make_input

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return make_input(tmp_path_factory.mktemp("input") / "in.jsonl", 30, seed=8)


@pytest.mark.parametrize("where", ["here", "s3"])
def test_of_three_that_start_at_once_one_runs(aws, few, tmp_path, where):
    output = in_s3(aws, "NAME") if where == "s3" else OUTPUT
    found = races(aws, tmp_path, few, number=1, starters=3, output=output)
    assert found.complaints == []
    assert found.exits == {0: 1, 5: 2}


@pytest.mark.parametrize("where", ["here", "s3"])
def test_the_same_line_ends_what_was_killed(aws, few, tmp_path, where):
    output = in_s3(aws, "NAME") if where == "s3" else OUTPUT
    found = kills(aws, tmp_path, few, number=3, draw=random.Random(4), output=output)
    assert found.complaints == []
    assert found.killed == 3
