"""Crossing, verdict, prices, units: what is concluded from numbers."""

from __future__ import annotations

import pytest

from fanout.analysis.client_check import judge
from fanout.analysis.crossover import crossing
from fanout.analysis.prices import per_million
from fanout.analysis.quantiles import Interval
from fanout.analysis.savings import savings
from fanout.analysis.units import parse_duration, parse_size, size_text
from fanout.bench.settings import plan_of, run_config
from fanout.config.model import Config
from fanout.domain.prices import Prices
from fanout.errors import UsageError


def sure(median):
    return Interval(100, median, median - 1, median + 1)


def unsure(median):
    return Interval(100, median, median - 100, median + 100)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(1_000, sure(40)), (64_000, sure(20))], "inline is faster at every size: the two do not cross"),
        ([(1_000, sure(-40)), (64_000, sure(-20))], "S3 is faster at every size"),
        ([(1_000, unsure(5)), (64_000, sure(20))], "not at 1 KB"),
        ([(1_000, unsure(5)), (64_000, unsure(-3))], "cannot tell"),
        ([(1_000, sure(9)), (2_000, sure(-9)), (3_000, sure(9))], "cannot tell"),
        (
            [(1_000, sure(30)), (10_000, unsure(0)), (100_000, sure(-30))],
            "inline is faster up to about 10 KB, S3 beyond",
        ),
        ([(1_000, sure(-30)), (100_000, sure(30))], "S3 is faster up to about 10 KB, inline beyond"),
    ],
)
def test_which_way_is_faster_where(points, words):
    assert words in str(crossing(points))


def test_a_crossing_lies_between_the_nearest_sizes_that_tell():
    found = crossing([(100_000, sure(-30)), (1_000, sure(30)), (10_000, unsure(0))])
    assert (found.kind, found.below, found.between_bytes) == ("crosses", "inline", (1_000, 100_000))
    assert found.at_bytes == pytest.approx(10_000, rel=1e-3), "half-way on a logarithmic scale"
    assert found.untold == (10_000,)


def verdict(waits, *, lags=(0.1,), throttles=0, closed=False):
    due = [index / 10 for index in range(len(waits))]
    sent = [at + wait / 1e3 for at, wait in zip(due, waits, strict=True)]
    return judge(
        waits, lags_ms=lags, due_s=due, sent_s=sent, throttles=throttles, closed=closed, late_ms=10.0
    )


def test_an_overloaded_client_is_the_limit_whatever_it_measured():
    found = verdict([50.0 * index for index in range(100)])
    assert found.limit == "client"
    assert "99% of the requests left more than 10 ms after they were due" in found.reasons[0]
    assert "10 a second were due, 7 were sent" in found.reasons[0]
    assert found.offered_per_s == pytest.approx(10.0)


def test_throttling_is_not_the_clients_fault():
    found = verdict([500.0] * 100, throttles=12)
    assert found.limit == "throttling"
    assert "throttled 12 times: lower --rate" in found.reasons[0]


def test_a_busy_event_loop_is_the_limit_even_when_sends_are_on_time():
    found = verdict([1.0] * 100, lags=[25.0] * 50)
    assert found.limit == "client"
    assert "25 ms behind" in found.reasons[0]


def test_one_stall_is_a_warning_and_no_limit():
    found = verdict([1.0] * 80 + [900.0] * 20, lags=[0.5] * 99 + [2_000.0])
    assert found.limit is None
    assert found.reasons == ()
    assert "stalled for 2.0 s once" in found.warnings[0]
    assert "20% of the requests" in found.warnings[1]
    assert "above p80" in found.warnings[1]


def test_nothing_is_late_in_a_closed_loop():
    assert verdict([500.0] * 100, closed=True).limit is None


def test_a_million_rows_save_a_put_and_a_get_each():
    found = savings(Prices(), total=Interval(100, 36.0, 30.0, 40.0))
    assert (found.puts, found.gets, found.requests) == (1_000_000, 1_000_000, 1_001_000)
    assert found.dollars == pytest.approx(5.00 + 0.40), "1,000,000 x $0.005/1,000 + 1,000,000 x $0.0004/1,000"
    assert found.inline_dollars == pytest.approx(5.00 + 0.40 + 0.50 + 1.2 * 0.40)
    assert found.latency_hours == 10.0
    free = Prices(s3_put_per_1000=0, s3_get_per_1000=0, sns_publish_per_million=0, sqs_request_per_million=0)
    assert per_million("s3").dollars(free) == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8KB", 8_000),
        ("127,999", 127_999),
        ("1.5 KiB", 1_536),
        ("2MB", 2_000_000),
        ("5 B", 5),
        ("1.0001KB", None),
        ("big", None),
        ("", None),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "ms"),
    [("80ms", 80.0), ("1.5 s", 1_500.0), ("200us", 0.2), ("2min", 120_000.0), ("80", None), ("ms", None)],
)
def test_durations(text, ms):
    assert parse_duration(text) == ms


def test_sizes_as_text():
    texts = [size_text(size) for size in (0, 1_000, 127_999, 128_000, 64_000, 2_000_000, 1_000_000_000)]
    assert texts == ["0 B", "1 KB", "127,999 B", "128,000 B", "64 KB", "2 MB", "1 GB"]


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
