"""A whole run whose state is kept in S3, against an account in memory: what stands there, and what its ends leave."""

from __future__ import annotations

import json
import os

import anyio
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.segments import segment

from fanout.commands.find_place import looking
from fanout.commands.new_run import start_run
from fanout.commands.place_status import status_of
from fanout.commands.resume import resume_place
from fanout.config.model import Config
from fanout.domain.queues import queue_name
from fanout.domain.row_state import RowState
from fanout.errors import (
    CallError,
    Exit,
    Fenced,
    InputError,
    Phase,
    RunError,
    StateLost,
    TooManyFailures,
    UnfinishedRun,
    UsageError,
)
from fanout.rundir.claim import OutputInUse
from fanout.runtime import finish, kept_place, open_place
from fanout.runtime.place import sign_of_life
from fanout.runtime.place.replay import read_state
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.segment import Purpose
from fanout.runtime.place.segment_log import SegmentLog
from fanout.runtime.place.sign_of_life import PlaceInUse
from fanout.runtime.session import Session
from fanout.simulator.settings import SimulatorSettings
from fanout.source.source import Source

PLACE = run_place("s3://simulated/runs/one")
SLOW = SimulatorSettings.model_validate({"service_time": {"median_s": 1_000}})


@pytest.fixture
def config(tmp_path, monkeypatch):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(10)])
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()

    def make(**sections):
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "output": {"path": str(tmp_path / "out.parquet")},
            "run": {"dir": PLACE.uri, "grace_s": 0.0},
        }
        return Config.model_validate(standard | sections)

    return make


def there(account):
    found = account.world.objects.list("simulated", PLACE.below, start_after="").entries
    return [key.removeprefix(PLACE.below) for key, _ in found]


def state_of(account):
    async def main():
        return await read_state(account.cloud.objects, PLACE, clock=account.clock)

    return anyio.run(main)


def left_in_scratch(tmp_path):
    return [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_a_run_leaves_what_it_came_to_and_no_parts_and_no_scratch(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    summary = anyio.run(start_run, config())
    assert (summary.rows, summary.run_dir) == (10, PLACE.uri)
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 10
    found = there(account)
    assert {"run.json", "status.json", "summary.json", "journal/0000000001.zst"} <= set(found)
    assert not [key for key in found if key.startswith("parts/")]
    state = state_of(account)
    assert (state.closed, state.tally.rows, state.run_id) == (True, 10, summary.run_id)
    assert left_in_scratch(tmp_path) == []


def test_a_place_that_holds_a_run_is_refused_before_anything_is_sent(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    anyio.run(start_run, config())
    accepted, before = len(account.world.log), there(account)
    again = config(output={"path": str(tmp_path / "again.parquet")})
    with pytest.raises(
        UsageError,
        match=r"s3://simulated/runs/one holds a run already, which has finished: name another place",
    ):
        anyio.run(start_run, again)
    again = config(output={"path": str(tmp_path / "again.parquet"), "overwrite": True})
    with pytest.raises(
        UsageError, match=r"--overwrite replaces it for a run of the same output, .*/out\.parquet$"
    ):
        anyio.run(start_run, again)
    assert (len(account.world.log), there(account)) == (accepted, before)


def test_a_finished_run_is_resumed_by_doing_nothing(monkeypatch, config):
    account = in_memory(monkeypatch)
    summary = anyio.run(start_run, config())
    account.log.clear()

    async def main():
        return await resume_place(PLACE, session=config())

    assert anyio.run(main) == summary
    assert account.log == ["+local", "+cloud", "-cloud", "-local"]


def test_a_run_that_sends_nothing_leaves_a_place_that_is_free(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    (tmp_path / "in.jsonl").rename(tmp_path / "gone.jsonl")
    with pytest.raises(InputError):
        anyio.run(start_run, config())
    assert "run.json" not in there(account)
    assert state_of(account).closed
    (tmp_path / "gone.jsonl").rename(tmp_path / "in.jsonl")
    summary = anyio.run(start_run, config())
    assert summary.rows == 10
    assert state_of(account).run_id == summary.run_id


async def taken_over(account):
    """Return once rows were accepted and another process has claimed the run."""
    while not account.world.log:
        await anyio.sleep(0.01)
    state = await read_state(account.cloud.objects, PLACE, clock=account.clock)
    log = SegmentLog(
        account.cloud.objects,
        PLACE,
        run_id=state.run_id,
        clock=account.clock,
        uptime=account.clock.now,
        about={},
        patience_s=60.0,
    )
    await log.claim(begins=False)
    return log


def test_an_owner_that_is_fenced_ends_and_touches_nothing_of_the_run(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch, SLOW)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken_over, account)
            with pytest.raises(Fenced, match="was taken over") as caught:
                await start_run(config(pacing={"rate": 5.0}))
            assert caught.value.exit == Exit.JOURNAL

    anyio.run(main)
    assert queue_name(state_of(account).run_id) in str(list(account.world.queues.names))
    assert "run.json" in there(account)
    assert not state_of(account).closed, "the run is the new owner's"
    assert len(account.world.log) < 10
    assert left_in_scratch(tmp_path) == []
    assert (tmp_path / ".fanout" / "claims" / "out.parquet").exists(), "the output has an unfinished run"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallError(Phase.REPLY, "AccessDenied", status=403), Exit.PRECONDITION),
        (CallError(Phase.CONNECT, "ConnectionRefusedError"), Exit.INTERRUPTED),
    ],
)
def test_s3_that_takes_no_segment_ends_the_run_after_a_while(monkeypatch, config, error, code):
    account = in_memory(monkeypatch, SLOW)
    monkeypatch.setattr(open_place, "PATIENCE_S", 0.5)
    objects = account.cloud.objects
    put = objects.put

    async def refusing(location, body, **more):
        if account.world.log and location.key.startswith(PLACE.journal):
            raise error
        return await put(location, body, **more)

    objects.put = refusing
    with pytest.raises(
        StateLost, match=r"could not be written for .*; `fanout resume s3://simulated/runs/one`"
    ) as caught:
        anyio.run(start_run, config(pacing={"rate": 5.0}))
    assert caught.value.exit == code
    objects.put = put
    accepted = {line.row for line in account.world.log}
    state = state_of(account)
    assert accepted <= set(state.open), "nothing was sent that no segment holds"


def test_an_interrupted_run_is_finished_by_another_process_from_s3_alone(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    asked = config(
        pacing={"rate": 20.0},
        output={"path": "s3://simulated/out.parquet", "part_s": 0.1},
        collect={"unknown_wait_s": 0.0},
    )
    passed = []
    monkeypatch.setattr(Source, "pass_over", lambda _, is_settled: passed.append(is_settled))

    async def main():
        with anyio.move_on_after(30.0):
            async with anyio.create_task_group() as tasks:

                async def run():
                    await start_run(asked)

                tasks.start_soon(run)
                while len(account.world.log) < 4:
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()  # as the second signal does
        accepted = len(account.world.log)
        state = await read_state(account.cloud.objects, PLACE, clock=account.clock)
        assert not state.has_sent_nothing
        assert not passed
        summary = await resume_place(PLACE, session=asked)
        # What is durable is not read once more: the rows behind wait for it.
        durable = [row for row in range(10) if row < len(state.durable) and state.durable[row]]
        assert [[row for row in range(10) if each(row)] for each in passed] == ([durable] if durable else [])
        assert summary.rows == 10
        assert summary.resends == summary.possible_resends <= 10 - accepted, (
            "what was accepted is not sent again"
        )

    anyio.run(main)
    assert len(account.world.log) == 10
    assert {"summary.json"} <= set(there(account))
    assert account.world.objects.get("simulated", "out.parquet").body


def test_a_place_without_a_run_says_so(monkeypatch, config):
    in_memory(monkeypatch)

    async def main():
        with pytest.raises(UsageError, match=r"s3://simulated/runs/one holds no run"):
            await resume_place(PLACE, session=config())

    anyio.run(main)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"local": {"enabled": True}}, "the local AWS ends with the run"),
        ({"run": {"dir": PLACE.uri, "journal": False}}, "this run keeps none"),
        ({"run": {"dir": PLACE.uri, "processes": 2}}, "use --shards 2 instead of --processes"),
        ({"run": {"dir": "s3://simulated"}}, "names no place for a run"),
    ],
)
def test_what_cannot_be_kept_there_is_refused(config, sections, said):
    with pytest.raises(RunError, match=said):
        anyio.run(start_run, config(**sections))


# A finished run that is replaced.


def replacing(config, tmp_path, rows, **more):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(rows)])
    return config(output={"path": str(tmp_path / "out.parquet"), "overwrite": True}, **more)


def test_a_finished_run_is_replaced_with_its_output(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    first = anyio.run(start_run, config(run={"dir": PLACE.uri, "keep_dir": True}))
    old = {key for key in there(account) if key.startswith("parts/")}
    again = anyio.run(start_run, replacing(config, tmp_path, 3, run={"dir": PLACE.uri, "keep_dir": True}))
    assert (again.rows, again.run_id != first.run_id, len(account.world.log)) == (3, True, 13)
    state = state_of(account)
    assert (state.run_id, state.tally.rows, state.counts(), len(state.claims)) == (
        again.run_id,
        3,
        {RowState.DURABLE: 3},
        2,
    )
    assert old
    assert not old & set(there(account)), "what the one before has kept goes with it"
    assert anyio.run(resumed, config()).run_id == again.run_id


async def resumed(config):
    return await resume_place(PLACE, session=config)


@pytest.mark.parametrize("broken", ["put run.json", "delete summary.json"])
def test_one_that_breaks_off_half_way_leaves_either_run(monkeypatch, config, tmp_path, broken):
    account = in_memory(monkeypatch)
    first = anyio.run(start_run, config())
    call, name = broken.split()
    objects = account.cloud.objects
    before = getattr(objects, call)

    async def breaking(where, *arguments, **more):
        keys = [each.key for each in where] if isinstance(where, list) else [where.key]
        if any(key.endswith(f"/{name}") for key in keys) and account.world.log:
            raise CallError(Phase.REPLY, "AccessDenied", status=403)
        return await before(where, *arguments, **more)

    setattr(objects, call, breaking)
    with pytest.raises(RunError, match="AccessDenied"):
        anyio.run(start_run, replacing(config, tmp_path, 3))
    setattr(objects, call, before)
    assert len(account.world.log) == 10, "nothing was sent"
    found = there(account)
    if "run.json" in found:  # the one before, as it was
        assert anyio.run(resumed, config()) == first
    again = anyio.run(start_run, replacing(config, tmp_path, 3))
    assert (again.rows, state_of(account).run_id) == (3, again.run_id)


def test_the_summary_of_the_run_before_is_not_that_of_the_one_that_replaces_it(monkeypatch, config, tmp_path):
    """A kill between the new `run.json` and the end of the old summary."""
    account = in_memory(monkeypatch)
    anyio.run(start_run, config())
    objects = account.world.objects
    old = objects.find(*PLACE.summary).body
    second = anyio.run(start_run, replacing(config, tmp_path, 3))
    objects.put(*PLACE.summary, old, content_type=None, now=0.0)
    assert anyio.run(state_there, config()) == ("stopped", second.run_id)
    with pytest.raises(UnfinishedRun, match=f"has an unfinished run, {second.run_id}"):
        anyio.run(start_run, replacing(config, tmp_path, 3))


async def state_there(config):
    async with looking(config) as session:
        found = await status_of(session, PLACE, config)
    return found.state, found.run_id


def test_a_start_that_saw_the_run_before_and_came_too_late_begins_nothing(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch)
    first = anyio.run(start_run, config())
    second = anyio.run(start_run, replacing(config, tmp_path, 3))
    state = state_of(account)
    state.apply(segment(state.number + 1, Purpose.FIRST, run_id="bbbbbbbbbb", replaces=first.run_id))
    assert (state.run_id, state.tally.rows) == (second.run_id, 3)


# Who is at work there.


def test_a_live_owner_keeps_its_run(monkeypatch, config):
    """Exit 5 names it, and it comes to its end undisturbed."""
    account = in_memory(monkeypatch)
    monkeypatch.setattr(kept_place, "BEAT_S", 0.2)
    monkeypatch.setattr(sign_of_life, "WATCH_S", 0.1)
    ended = []
    # An output on this machine is locked here besides.
    asked = config(pacing={"rate": 5.0}, output={"path": "s3://simulated/out.parquet"})

    async def main():
        async with anyio.create_task_group() as tasks:

            async def run():
                ended.append(await start_run(asked))

            tasks.start_soon(run)
            while not account.world.log:
                await anyio.sleep(0.01)
            with pytest.raises(
                PlaceInUse, match=rf"is in use by process {os.getpid()} on .*: wait for it"
            ) as caught:
                await resume_place(PLACE, session=asked)
            assert caught.value.exit == Exit.JOURNAL

    anyio.run(main)
    assert (ended[0].rows, ended[0].resends, len(account.world.log)) == (10, 0, 10)
    assert state_of(account).claims == [1]


@pytest.mark.parametrize("begun", [False, True])
def test_a_second_run_at_the_place_of_a_live_one_sends_nothing_whatever_its_output(
    monkeypatch, config, tmp_path, begun
):
    """Neither when both begin at once nor when the first has sent: exit 5 names it, and it comes to its end."""
    account = in_memory(monkeypatch)
    monkeypatch.setattr(kept_place, "BEAT_S", 0.2)
    monkeypatch.setattr(sign_of_life, "WATCH_S", 0.1)
    ended, refused = [], []

    async def run(name):
        asked = config(pacing={"rate": 20.0}, output={"path": str(tmp_path / name)})
        try:
            ended.append((await start_run(asked)).output)
        except RunError as error:
            refused.append(error)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, "a.parquet")
            while begun and not account.world.log:
                await anyio.sleep(0.01)
            tasks.start_soon(run, "b.parquet")

    anyio.run(main)
    assert [type(error) for error in refused] == [PlaceInUse]
    assert refused[0].exit == Exit.JOURNAL
    assert f"s3://simulated/runs/one is in use by process {os.getpid()} on " in str(refused[0])
    (output,) = ended
    assert (pq.read_metadata(output).num_rows, len(account.world.log)) == (10, 10)
    assert state_of(account).claims == [1]


def test_a_run_shows_that_it_lives_before_it_has_begun_and_after_its_last_row(monkeypatch, config):
    """Reading the input's listing, or putting the output into S3, may take longer than anyone waits."""
    account = in_memory(monkeypatch)
    monkeypatch.setattr(kept_place, "BEAT_S", 0.02)
    stood_still = []

    def standing_still(name):
        async def waiting(original, *arguments, **more):
            before = state_of_now(await read_state(account.cloud.objects, PLACE, clock=account.clock))
            while (
                state_of_now(await read_state(account.cloud.objects, PLACE, clock=account.clock)) < before + 3
            ):
                await anyio.sleep(0.01)
            stood_still.append(name)
            return await original(*arguments, **more)

        return waiting

    source, end_night = Session.source, finish.end_night
    monkeypatch.setattr(Session, "source", lambda self: standing_still("before")(lambda: source(self)))
    monkeypatch.setattr(
        finish, "end_night", lambda *args, **more: standing_still("after")(end_night, *args, **more)
    )
    assert anyio.run(start_run, config()).rows == 10
    assert {"before", "after"} <= set(stood_still)


def state_of_now(state):
    return state.number


@pytest.mark.parametrize("ending", ["finished", "stopped"])
def test_what_status_says_at_the_end_is_how_it_ended(monkeypatch, config, tmp_path, ending):
    account = in_memory(monkeypatch)
    if ending == "stopped":
        with (tmp_path / "in.jsonl").open("a") as file:
            file.write("not JSON\n" * 2)
        with pytest.raises(TooManyFailures):
            anyio.run(start_run, config(run={"dir": PLACE.uri, "max_failures": 0}))
    else:
        anyio.run(start_run, config())
    told = json.loads(account.world.objects.find(*PLACE.status).body)
    assert told["state"] == ending
    assert (told["reason"] is None) == (ending == "finished")
    status, _ = anyio.run(state_there, config())
    assert status == ending
    if ending == "stopped":
        assert "max_failures" in told["reason"]


# Payloads that it has uploaded.

UPLOADS = {"mode": "s3", "input_prefix": "s3://simulated/inputs"}


def payloads(account):
    return len(account.world.objects.list("simulated", "inputs/", start_after="").entries)


def test_what_a_run_that_stops_has_uploaded_stays_for_the_next_owner_who_may_be_at_it(
    monkeypatch, config, tmp_path
):
    """It has the same keys: the old owner would delete what the new one has just uploaded, and sent."""
    account = in_memory(monkeypatch)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("not JSON\n" * 2)
    asked = config(
        transport=UPLOADS, pacing={"rate": 5.0}, run={"dir": PLACE.uri, "max_failures": 0, "grace_s": 0.0}
    )
    with pytest.raises(TooManyFailures):
        anyio.run(start_run, asked)
    accepted = len(account.world.log)
    assert accepted < 10
    assert payloads(account) >= 10 - accepted

    async def more():
        flags = asked.model_copy(update={"run": asked.run.model_copy(update={"max_failures": 2})})
        return await resume_place(PLACE, session=asked, changed=flags)

    assert anyio.run(more).by_status == {"succeeded": 10, "rejected": 2}
    assert payloads(account) == 0, "each goes with its row"


@pytest.mark.parametrize(
    ("reason", "stay"), [(OutputInUse("taken over"), True), (RunError("refused"), False)]
)
def test_nor_does_one_in_a_directory_take_its_payloads_back_once_its_output_is_anothers(
    monkeypatch, config, tmp_path, reason, stay
):
    account = in_memory(monkeypatch)
    invoke = account.cloud.invoker.invoke

    async def taken_over(invocation):
        if account.world.log:
            raise reason
        return await invoke(invocation)

    account.cloud.invoker.invoke = taken_over
    asked = config(
        transport=UPLOADS, pacing={"rate": 20.0}, run={"dir": str(tmp_path / "rd"), "grace_s": 0.0}
    )
    with pytest.raises(type(reason), match=str(reason)):
        anyio.run(start_run, asked)
    assert (payloads(account) > 1) == stay
