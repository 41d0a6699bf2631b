"""What each of several processes may use: shares that are there, and that never come to more than the whole."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pacing import reserve

from fanout.config.model import Config
from fanout.engine.pacing import Pacer
from fanout.errors import UsageError
from fanout.shards.plan import deal, deal_rate, split_config

PROCESSES = st.integers(1, 64)


def shares_of(processes, **sections):
    return split_config(Config.model_validate({**sections, "run": {"processes": processes}}))


@given(whole=st.integers(0, 100_000), processes=PROCESSES)
def test_counts_are_dealt_out_to_the_last_one_and_evenly(whole, processes):
    shares = deal(whole, processes)
    assert sum(shares) == whole
    assert len(shares) == processes
    assert max(shares) - min(shares) <= 1


@given(rate=st.floats(1, 1e6), processes=PROCESSES)
def test_in_any_second_the_shares_of_a_rate_let_through_what_the_whole_would(rate, processes):
    shares = deal_rate(rate, processes)
    assert math.fsum(shares) == pytest.approx(rate, rel=1e-12)
    assert sum(math.ceil(share) for share in shares) <= math.ceil(rate)


@given(rate=st.integers(2, 40), processes=st.integers(2, 5), ends=st.floats(0, 1))
def test_pacers_of_the_shares_keep_to_the_rate_together(rate, processes, ends):
    """Whatever their phases are: each begins at an instant of its own."""
    if rate < processes:
        return
    due = []
    for index, share in enumerate(deal_rate(float(rate), processes)):
        pacer = Pacer(rate_per_s=share)
        now = ends * index / rate
        while now < 4.0:
            now = reserve(pacer, now)
            due.append(now)
    due.sort()
    busiest = max(sum(first <= other < first + 1.0 - 1e-9 for other in due) for first in due)
    assert busiest <= rate


def test_every_bound_is_shared_and_nothing_else_is_changed():
    whole = Config.model_validate({
        "input": {"paths": ["in.jsonl"]},
        "pacing": {"rate": 100.5, "burst": 5, "bytes_per_s": 3_000, "window": 11, "held_bytes": 1_000},
        "transport": {"concurrency": 5, "uploads": 3},
        "collect": {"fetches": 4, "pollers": 2},
        "output": {"part_rows": 2, "part_bytes": 100},
        "run": {"processes": 3, "deadline_s": 9, "max_failures": 7, "seed": 1, "dir": "rd"},
        "metrics": {"port": 9464},
    })  # fmt: skip
    shares = split_config(whole)
    pacing = [share.pacing for share in shares]
    assert [each.rate for each in pacing] == [34, 33, 33.5]
    assert [each.burst for each in pacing] == [2, 2, 1]
    assert [each.bytes_per_s for each in pacing] == [1_000] * 3
    assert [each.window for each in pacing] == [4, 4, 3]
    assert [each.held_bytes for each in pacing] == [334, 333, 333]
    assert [share.transport.concurrency for share in shares] == [2, 2, 1]
    assert [share.transport.uploads for share in shares] == [1, 1, 1]
    assert [share.collect.fetches for share in shares] == [2, 1, 1]
    assert [share.collect.pollers for share in shares] == [1, 1, 1], "less than one would hear nothing"
    assert [share.output.part_rows for share in shares] == [1, 1, 1]
    assert [share.output.part_bytes for share in shares] == [34, 33, 33]
    for index, share in enumerate(shares):
        assert (share.run.processes, share.run.deadline_s, share.run.dir) == (1, None, None)
        assert (share.run.max_failures, share.run.seed) == (7, 1 + index)
        assert not share.metrics.wanted
        assert share.input == whole.input
        assert Config.model_validate(share.model_dump(exclude_defaults=True)) == share, (
            "it can be written down"
        )


def test_memory_is_shared_by_those_on_one_host_alone():
    """64 shards on 64 hosts wrote parts of 78 rows and 1 MiB, and held 4 MiB of payloads each."""
    whole = Config.model_validate(
        {"run": {"shards": 64}, "pacing": {"rate": 640}, "transport": {"uploads": 64}}
    )
    for share in split_config(whole, at_once=64, one_host=1):
        assert share.pacing.rate == 10
        assert share.pacing.held_bytes == whole.pacing.held_bytes
        assert (share.output.part_rows, share.output.part_bytes) == (5_000, 64 << 20)
    beside = split_config(whole, at_once=64, one_host=3)
    for first in (0, 3, 60):
        assert sum(share.pacing.held_bytes for share in beside[first : first + 3]) == 40 << 20
        assert sum(share.output.part_rows for share in beside[first : first + 3]) == 5_000


def test_without_a_limit_there_is_none_to_share():
    for share in shares_of(4):
        assert (share.pacing.rate, share.pacing.bytes_per_s, share.pacing.burst) == (None, None, 0)
        assert share.collect.fetches is None, "as many as the share of the concurrency"


def test_one_process_has_it_all():
    whole = Config.model_validate({"input": {"paths": ["-"]}, "pacing": {"rate": 0.5}})
    assert split_config(whole) == [whole]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"input": {"paths": ["-"]}}, "standard input can be read once.*write it to a file first"),
        ({"collect": {"queue_url": "https://q/1/q"}}, "needs its own.*--no-notifications"),
        ({"pacing": {"rate": 2.5}}, r"pacing.rate = 2.5 is less than one .* at most 2"),
        ({"pacing": {"window": 2}}, r"pacing.window = 2 .* at most 2"),
        ({"transport": {"concurrency": 1}}, r"transport.concurrency = 1 .* at most 1"),
        ({"transport": {"uploads": 2}}, "transport.uploads"),
        ({"collect": {"fetches": 2}}, "collect.fetches"),
        ({"pacing": {"held_bytes": 2}}, "pacing.held_bytes"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_next_step(sections, words):
    with pytest.raises(UsageError, match=words):
        shares_of(3, **sections)
