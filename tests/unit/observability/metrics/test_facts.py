"""The run as a whole: how it ended, and what it leaves for the next one to know."""

from __future__ import annotations

import botocore
import pytest

import fanout
from fanout.errors import Exit, Interrupted, RunError
from fanout.observability.metrics.facts import build
from fanout.observability.metrics.families import families
from fanout.observability.metrics.fold import Fold

from .conftest import T0, facts, samples


@pytest.mark.parametrize(("code", "succeeded"), [(Exit.OK, T0 + 9), (Exit.ROWS_FAILED, T0 - 1)])
def test_a_run_that_wrote_its_output_is_completed_and_one_without_failures_a_success(code, succeeded):
    known = facts(succeeded_at=T0 - 1, completed_at=T0 - 1)
    known.completed(code, now=T0 + 9)
    found = samples(families(known, Fold(), None))
    assert found["fanout_running", ()] == 0
    assert found["fanout_exit_code", ()] == int(code)
    assert found["fanout_last_completion_timestamp_seconds", ()] == T0 + 9
    assert found["fanout_last_success_timestamp_seconds", ()] == succeeded


@pytest.mark.parametrize(("error", "code"), [(RunError("x"), 4), (Interrupted("x"), 75), (KeyError("x"), 1)])
def test_a_run_that_failed_leaves_the_last_success_alone(error, code):
    known = facts(succeeded_at=T0 - 1, completed_at=T0 - 1)
    known.failed(error)
    found = samples(families(known, Fold(), None))
    assert found["fanout_exit_code", ()] == code
    assert found["fanout_last_completion_timestamp_seconds", ()] == T0 - 1
    assert found["fanout_last_success_timestamp_seconds", ()] == T0 - 1


def test_the_build_names_what_goes_over_the_wire():
    assert build()["version"] == fanout.__version__
    assert build()["botocore"] == botocore.__version__
