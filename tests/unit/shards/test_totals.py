"""Several processes of a run as one: where they stand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.row_counts import OpenRowsStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.stages.poll import PollStatistics
from fanout.engine.statistics import PipelineStatistics
from fanout.shards.totals import parse_snapshot, total_snapshot


def snapshot(by=1, *, rate=None, collect=None, **more):
    statistics = PipelineStatistics(
        OpenRowsStatistics(*(by * n for n in range(1, 10))),
        PacerStatistics(rate, rate, by, by),
        SinkStatistics(by, by, by, by),
        JournalWriterStatistics(by, by, by),
        ReconcilerStatistics(by, by, by, by),
        collect,
        by,
        by,
    )
    return Snapshot(by * 10, by * 9, by * 100, by / 10, by, by, by, by, rate, "", by * 20, statistics, **more)


def test_a_snapshot_comes_back_from_json():
    one = snapshot(collect=PollStatistics(3, 1.5, {"stranger": 1}))
    assert parse_snapshot(json.loads(json.dumps(asdict(one)))) == one
    bare = replace(snapshot(), statistics=None)
    assert parse_snapshot(asdict(bare)) == bare
    with pytest.raises((KeyError, TypeError)):
        parse_snapshot({"statistics": None, "another": "version"})


def test_snapshots_add_up():
    one = snapshot(1, rate=10.0, collect=PollStatistics(3, 1.5, {"stranger": 1}))
    two = snapshot(2, rate=5.0, collect=PollStatistics(4, None, {"stranger": 1, "done": 2}))
    both = total_snapshot([one, two], processes=2)
    expected = snapshot(3, rate=15.0, collect=PollStatistics(7, 1.5, {"stranger": 2, "done": 2}))
    assert both == replace(expected, share=pytest.approx(0.15), note="15 uncertain")


def test_what_only_all_can_tell_is_told_once_all_have():
    one = snapshot(1, rate=10.0)
    seen = total_snapshot([one], processes=3)
    assert (seen.total, seen.share, seen.rate_limit_per_s) == (None, None, None)
    assert seen.ended == one.ended
    assert seen.note.endswith("2 of 3 processes are starting")
    assert total_snapshot([], processes=2).ended == 0
    unlimited = total_snapshot([one, replace(snapshot(), rate_limit_per_s=None, total=None)], processes=2)
    assert (unlimited.total, unlimited.rate_limit_per_s) == (None, None)


def test_the_share_that_is_tolerated_does_not_add_up():
    told = []
    for tolerated in (0.2, 0.1):
        one = snapshot(rate=10.0)
        pacer = replace(one.statistics.pacer, tolerated=tolerated)
        told.append(replace(one, statistics=replace(one.statistics, pacer=pacer)))
    assert total_snapshot(told, processes=2).statistics.pacer.tolerated == 0.2


@pytest.mark.parametrize(
    ("phases", "phase"),
    [
        (["probing", "probing"], "probing"),
        (["probing", None], "probing"),
        (["probing", "testing"], None),
        ([None, None], None),
    ],
)
def test_a_run_does_what_its_processes_do_to_find_the_limit(phases, phase):
    told = []
    for each in phases:
        one = snapshot(rate=10.0)
        pacer = replace(one.statistics.pacer, phase=each)
        told.append(replace(one, statistics=replace(one.statistics, pacer=pacer)))
    assert total_snapshot(told, processes=2).statistics.pacer.phase == phase
