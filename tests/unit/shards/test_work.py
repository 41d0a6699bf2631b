"""All shards of a run: how many at a time, what a loss and a failure of one mean for the others."""

from __future__ import annotations

import json
import logging

import anyio
import pytest

from fanout.config.model import Config
from fanout.domain.tally import Tally
from fanout.errors import DeadlineReached, Exit, Interrupted, RunError
from fanout.files import write_json
from fanout.observability.warnings import WarningLog
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import GRANT, Assignment
from fanout.shards.launcher import ShardEnd
from fanout.shards.leases import Leases
from fanout.shards.work import RESTARTS_MAX, Member, ShardsWork


class Scripted:
    """Ends each shard as its script says: with an exit code, None for a loss, or when it is told to stop.

    Attributes:
        starts: Which shard was started with which share of the rate, in order.
        most: How many were at work at once.
    """

    def __init__(self, **scripts):
        self.scripts = scripts
        self.starts = []
        self.now = self.most = 0

    async def run(self, directory, assignment, *, relay, stopping, replies, started):
        name = f"s{int(directory.path.name)}"
        self.starts.append((name, assignment.config.pacing.rate))
        self.now += 1
        self.most = max(self.most, self.now)
        started(len(self.starts))
        try:
            await anyio.sleep(0)
            step = self.scripts.get(name, [0]).pop(0)
            if isinstance(step, tuple):  # rows ended before
                ended, step = step
                write_status(directory, pid=len(self.starts), ended=ended)
            if step == "refuse":
                raise RunError("a process could not be started (no memory)")
            if step == "stop":
                await stopping.wait()
                step = 75
        finally:
            self.now -= 1
        if step == 0:
            write_result(directory)
        relay.last_word = f"{name} has its reason" if step else None
        return ShardEnd(step, f"the process of {name}", "was ended by SIGKILL" if step is None else "")


def write_status(directory, *, pid, ended):
    directory.path.mkdir(parents=True, exist_ok=True)
    snapshot = {
        **dict.fromkeys(
            ("ended", "succeeded", "in_flight", "accepted", "throttles", "resends", "possible_resends"), 0
        ),
        **dict.fromkeys(("total", "share", "rate_limit_per_s", "read", "statistics")),
        "note": "",
        "ended": ended,
        "succeeded": ended,
    }
    counted = {
        "inline": {
            "statuses": {"succeeded": ended},
            "payload_bytes": 0,
            "response_bytes": 0,
        }
    }
    write_json(directory.status, {"version": 1, "pid": pid, "snapshot": snapshot, "x": counted})


def write_result(directory, rows=5):
    directory.parts.mkdir(parents=True, exist_ok=True)
    tally = Tally(rows=rows)
    tally.by_status["succeeded"] = rows
    ShardResult(tally, 1, ("take care",)).write(directory.subtotal)


@pytest.fixture
def work(tmp_path):
    def make(launcher, *, shards=3, shares=3, **run):
        config = Config.model_validate({"run": run})
        directory = RunDirectory(tmp_path)
        members = [
            Member(
                directory.shard(index),
                Assignment("abcdefghij", Config(), None, index, None, "info", counts=False),
            )
            for index in range(shards)
        ]
        given = [
            Config.model_validate({"pacing": {"rate": 10 + index}}) for index in range(min(shares, shards))
        ]
        return ShardsWork(
            RunSpec(run_id="abcdefghij", config=config, directory=directory),
            members,
            shares=given,
            plan=None,
            launcher=launcher,
            fold=None,
            warning_log=WarningLog(),
        )

    return make


def test_shards_take_turns_and_each_share_is_one_shards_at_a_time(work):
    launcher = Scripted()
    result = anyio.run(work(launcher, shards=6, shares=2).run)
    assert (result.tally.rows, result.throttles, result.warnings) == (30, 6, ("take care",))
    assert launcher.most == 2
    assert sorted(name for name, _ in launcher.starts) == [f"s{index}" for index in range(6)]
    assert {rate for _, rate in launcher.starts} == {10, 11}


def test_a_finished_shard_is_not_started(work, tmp_path):
    write_result(RunDirectory(tmp_path).shard(1), rows=7)
    launcher = Scripted()
    assert anyio.run(work(launcher).run).tally.rows == 17
    assert [name for name, _ in launcher.starts] == ["s0", "s2"]


def test_a_lost_shard_is_started_again_and_the_others_go_on(work, caplog):
    launcher = Scripted(s1=[None, None, 0], s2=[0])
    with caplog.at_level(logging.WARNING, "fanout"):
        assert anyio.run(work(launcher).run).tally.rows == 15
    assert [name for name, _ in launcher.starts].count("s1") == 3
    assert (
        caplog.messages
        == ["the process of s1 was ended by SIGKILL: it is started again, and goes on where its journal says"]
        * 2
    )


def test_one_that_is_lost_again_and_again_without_progress_ends_the_run(work):
    launcher = Scripted(s0=["stop"], s1=[None] * (RESTARTS_MAX + 1))
    with pytest.raises(
        Interrupted, match="the process of s1 was ended by SIGKILL; the other processes stopped"
    ):
        anyio.run(work(launcher).run)
    assert [name for name, _ in launcher.starts].count("s1") == RESTARTS_MAX + 1


def test_one_that_gets_on_may_be_lost_as_often_as_it_is(work):
    losses = [(10 * turn, None) for turn in range(1, 3 * RESTARTS_MAX)]
    launcher = Scripted(s1=[*losses, 0])
    assert anyio.run(work(launcher).run).tally.rows == 15


def test_without_a_journal_a_loss_ends_the_run(work):
    with pytest.raises(Interrupted, match="was ended by SIGKILL"):
        anyio.run(work(Scripted(s1=[None, 0]), journal=False).run)


@pytest.mark.parametrize(
    ("code", "exit_code"), [(4, Exit.PRECONDITION), (75, Exit.INTERRUPTED), (99, Exit.BUG)]
)
def test_what_one_cannot_go_on_for_stops_the_others_in_order(work, code, exit_code):
    launcher = Scripted(s0=["stop"], s1=[code], s2=["stop"])
    with pytest.raises(RunError, match="s1 has its reason") as caught:
        anyio.run(work(launcher).run)
    assert caught.value.exit is exit_code
    assert launcher.now == 0


def test_one_that_cannot_be_started_says_how_to_go_on(work):
    with pytest.raises(RunError, match=r"\(no memory\); `fanout resume .*` goes on"):
        anyio.run(work(Scripted(s1=["refuse"])).run)


def test_a_stop_is_passed_on_and_no_shard_is_started_after_it(work):
    launcher = Scripted(s0=["stop"], s1=[0])
    given = work(launcher, shares=1)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(given.run)
            while not launcher.now:
                await anyio.sleep(0)
            given.stop(DeadlineReached("the deadline has passed"))

    with pytest.RaisesGroup(DeadlineReached):
        anyio.run(main)
    assert len(launcher.starts) == 1


class Asking:
    """Each shard asks for its share of the rate, again and again, until all have asked as often as they do."""

    def __init__(self, rounds):
        self.rounds, self.granted, self.leased = rounds, {}, set()

    async def run(self, directory, assignment, *, relay, stopping, replies, started):
        name = directory.path.name
        started(1)
        self.leased.add(assignment.leased)
        held = 0
        for _ in range(self.rounds.get(name, 6)):
            relay.take(json.dumps({"lease": [held, 5.0]}).encode() + b"\n")
            await replies.wait()
            held, rate, asked_at = json.loads(replies.take().removeprefix(GRANT))
            assert asked_at == 5.0
            self.granted.setdefault(name, []).append(rate)
            await anyio.sleep(0.01)
        write_result(directory)
        return ShardEnd(0, name)


def test_the_rate_of_a_shard_that_has_ended_is_the_others(work, tmp_path):
    launcher = Asking({"000": 3, "001": 12, "002": 12})
    made = work(launcher)
    made._leases = Leases(30.0)
    anyio.run(made.run)
    assert launcher.leased == {True}
    assert launcher.granted["001"][-1] == 15.0
    assert launcher.granted["002"][-1] == 15.0


def test_without_a_rate_nothing_is_leased(work):
    launcher = Asking({"000": 0, "001": 0, "002": 0})
    anyio.run(work(launcher).run)
    assert launcher.leased == {False}
