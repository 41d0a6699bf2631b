"""What an experiment records of how it was carried out, and in what two differ."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from fanout.bench.setup import Difference, differences, setup_of
from fanout.config.model import Config


def setup(*, fingerprint=None, instances=1, **sections):
    config = Config.model_validate(sections)
    found = setup_of(config, region="eu-west-1", notified=True, instances=instances, fingerprint=fingerprint)
    return {"endpoint": "e", "rate_per_s": 40.0, "arrivals": "poisson", "seed": 1} | asdict(found)


def names(now, before):
    return [each.name for each in differences(now, before)]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"bench": {"closed": 4}}, "closed"),
        ({"transport": {"concurrency": 3}}, "concurrency"),
        ({"transport": {"client": "aiobotocore"}}, "client"),
        ({"transport": {"input_prefix": "s3://other"}}, "input_prefix"),
        ({"pacing": {"window": 7}}, "window"),
        ({"fingerprint": "abc"}, "payloads"),
        ({"instances": 2}, "instances"),
        ({"local": {"enabled": True}}, "simulator"),
    ],
)
def test_what_differs_is_named(change, name):
    assert names(setup(**change), setup()) == [name]
    assert names(setup(), setup(**change)) == [name]
    assert names(setup(**change), setup(**change)) == []


def test_two_selections_of_one_input_differ():
    one = setup(fingerprint="abc", payload={"column": "text"})
    assert names(one, setup(fingerprint="abc", payload={"column": "text"})) == []
    assert names(one, setup(fingerprint="abc", payload={"column": "body"})) == ["payloads"]
    assert names(one, setup(fingerprint="abc", payload={"column": "text"}, input={"limit": 5})) == [
        "payloads"
    ]


def test_seeds_may_differ_and_closed_loops_have_no_schedule():
    one = setup(bench={"closed": 4}, local={"enabled": True, "simulator": {"seed": 1}})
    other = setup(bench={"closed": 4}, local={"enabled": True, "simulator": {"seed": 2}})
    assert names(one, other | {"seed": 9, "rate_per_s": 7.0, "arrivals": "constant"}) == []
    assert names(setup(), setup() | {"rate_per_s": 7.0}) == ["rate_per_s"]


def test_what_the_earlier_one_did_not_record_differs():
    before = {name: value for name, value in setup().items() if name != "concurrency"}
    assert differences(setup(), before) == [Difference("concurrency", None, 64)]


def test_a_difference_says_both_values():
    assert str(Difference("closed", None, 4)) == "closed (none then, 4 now)"
    assert str(Difference("payloads", {"from": "made"}, {"from": "abc", "fields": ["a", "b"]})) == (
        "payloads (from made then, from abc, fields a, b now)"
    )
