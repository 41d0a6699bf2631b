"""Several processes of a run as one: where they stand, what they came to, what metrics show of them."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace

import anyio
import pytest

from fanout.config.model import Config
from fanout.domain.records import Outcome
from fanout.domain.row_ranges import Stripe
from fanout.domain.tally import EXAMPLES_MAX, Tally
from fanout.engine.flow import SinkStatistics
from fanout.engine.journal_writer import JournalWriterStatistics
from fanout.engine.open_row import OpenRowsStatistics
from fanout.engine.pacing import PacerStatistics
from fanout.engine.reconcile.reconciler import ReconcilerStatistics
from fanout.engine.snapshot import Snapshot
from fanout.engine.stages.poll import PollStatistics
from fanout.engine.statistics import PipelineStatistics
from fanout.errors import JournalError
from fanout.observability.logging import JsonFormatter
from fanout.observability.metrics.fold import Fold
from fanout.observability.warnings import WarningLog
from fanout.rundir.shard_result import ShardResult, read_shard_result, total
from fanout.shards.assignment import STOP, Assignment, ParentPipe
from fanout.shards.log_relay import LogRelay
from fanout.shards.totals import parse_snapshot, total_snapshot
from fanout.simulator.process import SimulatorAddress


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


def outcome(row, status, **more):
    return Outcome(
        row=row, id=None, passthrough=(), status=status, payload_bytes=3, transport="inline", **more
    )


def test_subtotals_are_kept_and_add_up(tmp_path):
    whole, found = Tally(), []
    for number in range(3):
        tally = Tally()
        for row in range(10):
            each = outcome(row, "failed", error_code=f"Code{number}-{row}", error_message="why")
            tally.add(each)
            whole.add(each)
        each = outcome(99, "succeeded", response=b"four")
        tally.add(each)
        whole.add(each)
        path = tmp_path / f"{number}.json"
        ShardResult(tally, number, ("told by all", f"told by {number}")).write(path)
        found.append(read_shard_result(path))
        assert found[-1] == ShardResult(tally, number, ("told by all", f"told by {number}"))
    summed = total(found)
    assert summed.tally == whole
    assert len(summed.tally.examples) == EXAMPLES_MAX
    assert summed.throttles == 3
    assert summed.warnings == ("told by all", "told by 0", "told by 1", "told by 2")
    (tmp_path / "0.json").write_text("{")
    for name in ("0.json", "nowhere.json"):
        with pytest.raises(JournalError, match="cannot be read"):
            read_shard_result(tmp_path / name)


def test_a_fold_is_replaced_by_what_others_counted():
    parts, whole = [Fold(), Fold()], Fold()
    for row in range(20):
        each = outcome(row, "succeeded", due_at=1.0, sent_at=1.0 + row, accepted_at=2.0 + row, response=b"x")
        parts[row % 2].add(each)
        whole.add(each)
    shown = Fold()
    for _ in range(2):  # again and again: nothing is counted twice
        shown.replace_by([json.loads(json.dumps(part.dump())) for part in parts])
    assert shown.dump() == whole.dump()
    assert shown.lots["inline"].wait.cumulative() == whole.lots["inline"].wait.cumulative()


def test_an_assignment_travels_on_a_line():
    simulator = SimulatorAddress(
        "http://x", "r", "key", "secret", "token", "e", "1", "in", "out", None, None, 7
    )
    config = Config.model_validate({"pacing": {"rate": 2.5}, "run": {"grace_s": 3}})
    for given in (simulator, None):
        assignment = Assignment("abcdefghij", config, Stripe(1, 3), given, "info", counts=True)
        assert heard(assignment.encode())[0] == assignment


def heard(said):
    """What a child hears that is told this before the other end is closed."""
    import os

    reader, writer = os.pipe()
    os.write(writer, said)
    os.close(writer)
    parent = ParentPipe(reader)

    async def orders():
        return [order async for order in parent.orders()]

    try:
        return parent.assignment(), anyio.run(orders)
    finally:
        os.close(reader)


def test_orders_are_told_one_by_one_and_a_parent_that_is_gone_is_one():
    line = Assignment("abcdefghij", Config(), Stripe(0, 2), None, "info", counts=False).encode()
    ordered, gone = (
        "stopped with the run that it belongs to",
        "stopped, as the process that started it is gone",
    )
    assert heard(line)[1] == [gone]
    assert heard(line + STOP)[1] == [ordered]
    assert heard(line + STOP + STOP)[1] == [ordered, ordered]
    with pytest.raises(EOFError):
        heard(line[:-5])


class Stream:
    def __init__(self, *pieces):
        self._pieces = iter(pieces)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def line(level, text, **extra):
    record = logging.makeLogRecord(
        {
            "name": "fanout.some",
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": text,
            **extra,
        }
    )
    return JsonFormatter().format(record).encode() + b"\n"


def test_what_children_log_is_passed_on_and_a_warning_once(caplog, capfd):
    caplog.set_level(logging.INFO)
    warning_log = WarningLog()
    relays = [LogRelay(warning_log), LogRelay(warning_log)]
    with warning_log:
        logging.getLogger("fanout.some").warning("told by %s", "this process")
        logging.getLogger("fanout.some").info("hello")
    said = (
        line(logging.WARNING, "the topic has no room")
        + line(logging.WARNING, "told by this process")
        + line(logging.INFO, "hello", row=7)
        + line(logging.DEBUG, "quiet")
        + b"Traceback (most recent call last):\n"
        + line(logging.ERROR, "the disk is full", exit_code=6)
        + b"no line end"
    )
    for relay in relays:
        anyio.run(relay.lines, Stream(said[:30], said[30:]))
    found = [
        (record.levelname, record.getMessage(), getattr(record, "row", None)) for record in caplog.records
    ]
    assert found == [
        ("WARNING", "told by this process", None),
        ("INFO", "hello", None),
        ("WARNING", "the topic has no room", None),
        ("INFO", "hello", 7),
        ("INFO", "hello", 7),
    ]
    assert [relay.last_word for relay in relays] == ["the disk is full"] * 2
    assert capfd.readouterr().err == "Traceback (most recent call last):\nno line end\n" * 2
