from __future__ import annotations

import random
import statistics

import pytest
from pydantic import ValidationError

from fanout.simulator.settings import NotificationSettings, SimulatorSettings, Spread


def test_unknown_keys_are_refused_wherever_they_stand():
    for document in ({"sed": 1}, {"faults": {"throttle": 0.5}}, {"latency": {"s4": {}}}):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            SimulatorSettings.model_validate(document)


@pytest.mark.parametrize(
    "document",
    [
        {"faults": {"throttle_share": 1.01}},
        {"faults": {"throttle_share": -0.1}},
        {"account_id": "12"},
        {"endpoint_name": "a_b"},
        {"buckets": []},
        {"concurrency_per_instance": 0},
        {"service_time": {"median_s": float("inf")}},
        {"throttle": {"rate_per_s": 0}},
        {"failure_prefix": "/async-outputs/"},
    ],
)
def test_values_that_make_no_endpoint_are_refused(document: dict[str, object]):
    with pytest.raises(ValidationError):
        SimulatorSettings.model_validate(document)


def test_paths_and_topics_are_those_of_the_account():
    settings = SimulatorSettings(
        region="eu-west-1", account_id="999999999999", endpoint_name="e", buckets=("b", "c")
    )
    assert settings.output_path == "s3://b/async-outputs"
    assert settings.failure_path == "s3://b/async-failures"
    assert settings.success_topic == "arn:aws:sns:eu-west-1:999999999999:e-async-success"
    assert settings.error_topic == "arn:aws:sns:eu-west-1:999999999999:e-async-error"


def test_topics_may_be_one_or_missing():
    one = SimulatorSettings(notifications=NotificationSettings(separate_topics=False))
    assert (
        one.error_topic == one.success_topic == "arn:aws:sns:us-east-1:123456789012:simulated-async-success"
    )
    none = SimulatorSettings(notifications=NotificationSettings(enabled=False))
    assert (none.success_topic, none.error_topic) == (None, None)


def test_a_spread_is_lognormal_around_its_median():
    rng = random.Random(3)
    draws = [Spread(median_s=4.0, sigma=1.0).draw(rng) for _ in range(5_000)]
    assert statistics.median(draws) == pytest.approx(4.0, rel=0.06)
    assert statistics.mean(draws) == pytest.approx(4.0 * 1.6487, rel=0.1)


def test_a_constant_draws_nothing():
    rng = random.Random(3)
    state = rng.getstate()
    assert [Spread(median_s=4.0).draw(rng), Spread(sigma=2.0).draw(rng)] == [4.0, 0.0]
    assert rng.getstate() == state
