"""The plan of an experiment and the configuration of its run, out of the user's."""

from __future__ import annotations

import pytest

from fanout.bench.settings import plan_of, run_config
from fanout.config.model import Config
from fanout.errors import UsageError


def test_a_plan_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="'200KB' is not a size between 1 and 128,000 bytes"):
        plan_of(Config.model_validate({"bench": {"sizes": ["1KB", "200KB"]}}), seed=0)
    with pytest.raises(UsageError, match=r"bench.rate is 40 requests a second and pacing.rate allows 30"):
        plan_of(Config.model_validate({"pacing": {"rate": 30}}), seed=0)


def test_the_run_of_an_experiment_has_no_journal_and_repeats_nothing(tmp_path):
    config = Config.model_validate(
        {"local": {"enabled": True, "simulator": {"seed": 9}}, "bench": {"closed": 5}}
    )
    found = run_config(config, output=tmp_path / "x.parquet", seed=3)
    assert (found.run.journal, found.retry.generations, found.pacing.window) == (False, 0, 5)
    assert found.local.simulator["seed"] == 9, "what the user says of the local AWS stands"
    assert found.local.simulator["latency"]["s3"]["median_s"] == 0.1
