"""Outcomes of every kind, and what writes them as an output file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.outputs import MakeOutput, outcome, writer


@pytest.fixture
def make_output(tmp_path: Path) -> MakeOutput:
    """Writes outcomes as an output file."""
    return writer(tmp_path)


def failed(row, code, message):
    return outcome(
        row,
        status="failed",
        error_code=code,
        error_message=message,
        response=None,
        fetched_at=None,
        resends=1,
    )


def varied(count=300):
    rng = random.Random(4)
    rows = [
        outcome(row, way=rng.choice(["inline", "inline", "s3"]), total_ms=rng.lognormvariate(4.6, 0.5))
        for row in range(count)
    ]
    rows[7] = failed(7, "ModelError", "no <b>such</b> model")
    rows[9] = failed(9, "ModelError", "again")
    rows[11] = failed(11, "Expired", "too late")
    rows[13].attempts = 3
    return rows
