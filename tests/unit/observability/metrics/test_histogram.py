"""Buckets of durations, against prometheus_client's own."""

from __future__ import annotations

import random
from bisect import bisect_left

import prometheus_client

from fanout.observability.metrics.histogram import BUCKETS_S, Histogram


def test_buckets_count_up_to_and_including_their_bound():
    seen = Histogram()
    for seconds in (0.0, 0.001, 0.0010001, 21_600.0, 21_600.1):
        seen.observe(seconds)
    cumulative = dict(seen.cumulative())
    assert list(cumulative) == [*map(repr, BUCKETS_S), "+Inf"]
    assert cumulative["0.001"] == 2
    assert cumulative["0.0025"] == 3
    assert cumulative["21600.0"] == 4
    assert cumulative["+Inf"] == seen.count == 5
    assert list(BUCKETS_S) == sorted(BUCKETS_S)


def test_a_histogram_is_prometheus_clients():
    """The same observations through the library's own class read the same."""
    rng = random.Random(3)
    seen = Histogram()
    theirs = prometheus_client.Histogram("h", "h", buckets=BUCKETS_S, registry=None)
    for _ in range(1000):
        seconds = rng.lognormvariate(-2, 4)
        seen.observe(seconds)
        theirs.observe(seconds)
    expected = {
        sample.labels["le"]: sample.value
        for family in theirs.collect()
        for sample in family.samples
        if sample.name == "h_bucket"
    }
    assert dict(seen.cumulative()) == expected


def test_a_negative_duration_counts_as_none():
    seen = Histogram()
    seen.observe(-5.0)
    assert (seen.count, seen.sum_s, seen.cumulative()[0]) == (1, 0.0, ("0.001", 1.0))
    assert bisect_left(BUCKETS_S, 0.0) == 0
