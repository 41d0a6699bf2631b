"""Shards that are started one by one in one place, their merge, and what they may not disagree on; AWS in memory."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.commands import shard_place
from fanout.commands.cancel import cancel
from fanout.commands.export import export
from fanout.commands.merge import merge_shards, merge_some
from fanout.commands.new_run import start_run
from fanout.commands.resume import resume_job
from fanout.commands.run import run_job
from fanout.commands.status import run_status
from fanout.config.model import Config
from fanout.errors import (
    DeadlineReached,
    Exit,
    InputError,
    Interrupted,
    JournalError,
    UnfinishedRun,
    UsageError,
)
from fanout.files import write_json
from fanout.rundir.claim import OutputInUse, Owner, claimed, read_claim
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import read_plan


@pytest.fixture(autouse=True)
def account(monkeypatch):
    for name in ("FANOUT_SHARD", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    return in_memory(monkeypatch)


@pytest.fixture
def job(tmp_path):
    rows = [{"n": n, "text": "x" * (n % 7)} for n in range(40)]
    lines = [json.dumps(row) for row in rows]
    lines[13] = "not json"
    (tmp_path / "in.jsonl").write_text("\n".join(lines))

    def make(shard=None, *, of=4, **sections):
        run = {"dir": str(tmp_path / "rd"), "shard": None if shard is None else f"{shard}/{of}"}
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "columns": {"keep": ["n?"], "id": "n?"},
            "output": {"path": str(tmp_path / "out.parquet")},
        }
        return Config.model_validate(standard | sections | {"run": run | sections.get("run", {})})

    return make


def run(config):
    return anyio.run(run_job, config)


def merge(path, **more):
    async def main():
        return await merge_shards(path, **more)

    return anyio.run(main)


SAME = ["row", "id", "n", "status", "transport", "payload_bytes", "error_code", "attempts", "resends"]


@pytest.mark.parametrize("of", [1, 2, 4, pytest.param(8, marks=pytest.mark.campaign)])
def test_whatever_their_order_one_output_comes_of_them_as_of_one_process(job, tmp_path, of):
    one = anyio.run(start_run, job(None, output={"path": str(tmp_path / "one.parquet")}, run={"dir": None}))
    for index in reversed(range(of)):
        summary = run(job(index, of=of))
        assert summary.exit in {Exit.OK, Exit.ROWS_FAILED}
        assert not (tmp_path / "out.parquet").exists()
    merged = merge(tmp_path / "rd")
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "out")]
    assert tables[0].schema.equals(tables[1].schema)
    assert tables[0].select(SAME).equals(tables[1].select(SAME))
    for name in ("rows", "by_status", "by_transport", "errors", "payload_bytes", "endpoint", "simulated"):
        assert getattr(one, name) == getattr(merged, name), name
    (said,) = [text for text in tables[1]["error_message"].to_pylist() if text]
    byte = (tmp_path / "in.jsonl").read_bytes().index(b"not json")
    where = ":14" if of == 1 else f": byte {byte}, row 13"
    assert said.startswith(f"{tmp_path}/in.jsonl{where}: ")
    assert list(merged.examples.values()) == [said]
    assert merge(tmp_path / "rd") == merged, "once more, nothing is done"
    assert run_status(tmp_path / "rd").state == "finished"


def test_parquet_by_row_groups_says_what_one_process_says(job, tmp_path):
    pq.write_table(
        pa.table({"n": range(50), "text": ["x", None] * 25}), tmp_path / "in.parquet", row_group_size=7
    )
    sections = {
        "input": {"paths": [str(tmp_path / "in.parquet")]},
        "payload": {"column": "text"},
        "columns": {"keep": ["n"], "id": "n"},
    }
    anyio.run(
        start_run, job(None, output={"path": str(tmp_path / "one.parquet")}, run={"dir": None}, **sections)
    )
    for index in range(3):
        run(job(index, of=3, **sections))
    merge(tmp_path / "rd")
    one, out = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "out"))
    assert one.select([*SAME, "error_message"]).equals(out.select([*SAME, "error_message"]))


def test_more_shards_than_rows(job, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    assert [run(job(index, of=3)).rows for index in range(3)] == [1, 0, 0]
    assert merge(tmp_path / "rd").rows == 1


def test_one_compressed_file_is_the_work_of_one_shard_which_is_said(job, tmp_path, caplog):
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b'{"n":1}\n' * 10))
    config = [job(index, of=8, input={"paths": [str(tmp_path / "in.jsonl.gz")]}) for index in range(8)]
    assert sorted(run(each).rows for each in config) == [0] * 7 + [10]
    text = "there is something to read for 1 of 8 shards: 1 compressed file can be read from its start alone"
    assert caplog.messages.count(text) == 1
    assert text in merge(tmp_path / "rd").warnings


def test_a_shard_that_has_finished_is_left_alone(job, tmp_path, account):
    first = run(job(0))
    calls = list(account.log)
    again = run(job(0))
    assert (again.rows, again.by_status) == (first.rows, first.by_status)
    assert account.log == calls


def test_each_has_a_share_of_the_rate_of_those_at_once(job, tmp_path, monkeypatch):
    from fanout.commands import shard

    given, original = [], shard.shard_config

    def noted(*arguments, **more):
        given.append(original(*arguments, **more))
        return given[-1]

    monkeypatch.setattr(shard, "shard_config", noted)
    bounds = {"pacing": {"rate": 1_002, "window": 100}, "transport": {"concurrency": 8}}
    for index in range(4):
        run(job(index, **bounds))
    assert [each.pacing.rate for each in given] == [251, 251, 250, 250]
    assert {(each.pacing.window, each.transport.concurrency, each.run.shards) for each in given} == {
        (25, 2, None)
    }
    assert {(each.output.part_rows, each.pacing.held_bytes) for each in given} == {(5_000, 40 << 20)}, (
        "each is on a host of its own, whose memory it shares with none"
    )


def test_fewer_at_once_have_more_each_and_the_others_wait(job, tmp_path, caplog):
    bounds = {"pacing": {"rate": 100}, "run": {"at_once": 1}}
    run(job(0, **bounds))
    assert (tmp_path / "rd/slots/000").exists()
    assert read_plan(RunDirectory(tmp_path / "rd")).at_once == 1
    from fanout.shards.slots import slot

    async def main():
        async with slot(tmp_path / "rd/slots", slots=1, first=0):
            with anyio.move_on_after(0.3):
                await run_job(job(1, **bounds))
            assert not (tmp_path / "rd/shards/001").exists()
        await run_job(job(1, **bounds))

    anyio.run(main)
    assert "1 shards are at work already" in caplog.text
    assert (tmp_path / "rd/shards/001/subtotal.json").exists()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"of": 8}, "one of 8, and the run in .*rd is divided into 4"),
        ({"pacing": {"rate": 5}}, "pacing.rate differ from what the first shard"),
        ({"columns": {}}, "columns.id, columns.keep differ"),
        ({"output": {"path": "/tmp/other.parquet"}}, "output.path differ"),
        ({"run": {"at_once": 2}}, "run.at_once differ"),
        ({"run": {"max_failures": 2}}, "run.max_failures differ"),
    ],
)
def test_shards_that_disagree_are_refused(job, sections, words):
    run(job(0))
    with pytest.raises(UsageError, match=words):
        run(job(1, **sections))
    # What is each host's own may differ.
    assert run(job(1, run={"grace_s": 3, "rows_failed_exit": 0}, metrics={"port": 0})).rows


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"run": {"shard": "4/4"}}, "--shard 4/4 is out of range: there are 4 shards, numbered from 0 to 3"),
        ({"run": {"shard": "x"}}, "--shard x: should be i/N"),
        ({"run": {"shard": "auto"}}, "no scheduler says which shard this is"),
        ({"run": {"shards": 5}}, "--shards 5 and --shard 0/4 disagree"),
        ({"run": {"processes": 2}}, "a shard is one process"),
        ({"run": {"dir": None}}, "name one place that all hosts see with --run-dir"),
        ({"run": {"dir": "rd/"}}, "no slash at its end"),
        ({"run": {"journal": False}}, "a shard is started again by its journal"),
        ({"input": {"paths": ["-"]}}, "standard input can be read once"),
        ({"local": {"enabled": True}}, "an AWS of its own for each shard"),
        ({"pacing": {"rate": 3}}, "pacing.rate = 3 is less than one for each of 4 shards at once"),
        ({"output": {}}, "no output"),
    ],
)
def test_what_cannot_be_meant(job, tmp_path, sections, words):
    with pytest.raises(UsageError, match=words):
        run(job(0, **sections))
    assert not (tmp_path / "rd").exists()


def test_a_limit_cannot_be_divided(job, tmp_path):
    config = job(0)
    limited = config.model_copy(update={"input": config.input.model_copy(update={"limit": 3})})
    with pytest.raises(UsageError, match=r"input\.limit counts rows from the first one"):
        run(limited)


def test_what_is_new_cannot_be_told_by_each_shard_alone(job, account):
    config = job(0)
    nightly = config.model_copy(update={"input": config.input.model_copy(update={"since": "last"})})
    with pytest.raises(UsageError, match=r"input\.since is compared once"):
        run(nightly)
    assert account.world.log == []


def test_a_merge_waits_for_all_shards_and_names_those_that_are_missing(job, tmp_path):
    run(job(2))
    directory = RunDirectory(tmp_path / "rd")
    directory.shard(3).create()
    journal = Journal(directory.shard(3).journal)
    with pytest.raises(Interrupted) as caught:
        merge(tmp_path / "rd")
    journal.close()
    assert caught.value.exit is Exit.INTERRUPTED
    text = str(caught.value)
    assert "3 of 4 shards have not finished (shard 0 was not started: --shard 0/4," in text
    assert "shard 3 is running: --shard 3/4" in text
    assert f"do all of them here: `fanout resume {tmp_path}/rd`" in text
    with pytest.raises(UsageError, match="holds no run of several shards"):
        merge(tmp_path)


def test_what_there_is_can_be_written_before(job, tmp_path):
    run(job(0))
    run(job(2))
    rows = sum(
        json.loads((tmp_path / f"rd/shards/00{n}/subtotal.json").read_text())["tally"]["rows"] for n in (0, 2)
    )
    written, missing = merge_some(tmp_path / "rd", str(tmp_path / "some.parquet"))
    assert (written.rows, missing) == (rows, [1, 3])
    assert pq.read_table(tmp_path / "some.parquet")["row"].to_pylist() == list(range(rows))
    with pytest.raises(UsageError, match=r"some\.parquet exists"):
        merge_some(tmp_path / "rd", str(tmp_path / "some.parquet"))
    assert export(tmp_path / "rd", str(tmp_path / "exported.parquet"), overwrite=False) == rows
    assert merge_some(tmp_path / "rd", str(tmp_path / "some.parquet"), overwrite=True)[1] == [1, 3]


def test_a_merge_of_another_plan_is_refused(job, tmp_path):
    for index in range(4):
        run(job(index))
    directory = RunDirectory(tmp_path / "rd")
    content = json.loads(directory.plan.read_text())
    content["shards"][2]["run"] = "zzzzzzzzzz"
    write_json(directory.plan, content)
    with pytest.raises(JournalError, match=r"holds run .*, and .* says zzzzzzzzzz: it is of another plan"):
        merge(tmp_path / "rd")
    content["version"] = 99
    write_json(directory.plan, content)
    for go in (lambda: merge(tmp_path / "rd"), lambda: run(job(0))):
        with pytest.raises(JournalError, match=r"plan\.json was written by another version"):
            go()


def test_what_is_left_can_be_done_on_one_machine(job, tmp_path):
    run(job(1))
    # Without a process of its own for each: the executor's part is tested elsewhere.
    for index in (0, 2, 3):
        run(job(index))
    summary = anyio.run(resume_job, tmp_path / "rd")
    assert summary.rows == 40
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == 40


def test_a_cancelled_run_starts_no_shard_until_it_is_resumed(job, tmp_path):
    run(job(0))
    found = cancel(tmp_path / "rd")
    assert (found.finished, found.running, found.shards) == (1, 0, 4)
    cancel(tmp_path / "rd")
    with pytest.raises(UsageError, match=r"was cancelled: `fanout resume .*` goes on with it"):
        run(job(1))
    RunDirectory(tmp_path / "rd").cancel.unlink()
    for index in (1, 2, 3):
        run(job(index))
    merge(tmp_path / "rd")
    with pytest.raises(UsageError, match="has finished: there is nothing to stop"):
        cancel(tmp_path / "rd")


def test_a_cancellation_reaches_a_shard_at_work(job, tmp_path, monkeypatch):
    from fanout.shards import cancellation
    from fanout.simulator.settings import SimulatorSettings

    in_memory(monkeypatch, SimulatorSettings(instances=0, cold_start_s=3600.0))
    monkeypatch.setattr(cancellation, "LOOK_S", 0.05)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_job, job(0, run={"grace_s": 0.2}))
            directory = RunDirectory(tmp_path / "rd")
            while not directory.shard(0).manifest.exists():
                await anyio.sleep(0.01)
            await anyio.to_thread.run_sync(cancel, tmp_path / "rd")

    with pytest.RaisesGroup(pytest.RaisesExc(Interrupted, match="the run was cancelled")):
        anyio.run(main)


def test_the_output_is_the_runs_from_the_first_shard_on(job, tmp_path):
    run(job(0))
    other = job(None, run={"dir": None})
    with pytest.raises(UnfinishedRun, match="has an unfinished run"):
        anyio.run(start_run, other)
    with pytest.raises(UnfinishedRun, match="has an unfinished run"):
        run(job(0, run={"dir": str(tmp_path / "second")}))
    assert not (tmp_path / "second").exists()


def test_an_output_that_exists_or_is_in_use_is_refused_by_the_first(job, tmp_path):
    (tmp_path / "out.parquet").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"out\.parquet exists"):
        run(job(0))
    (tmp_path / "out.parquet").unlink()
    with claimed(str(tmp_path / "out.parquet")) as held:
        held.note(Owner.here("zzzzzzzzzz", run_dir=tmp_path / "other", now=0.0, begun=False))
        with pytest.raises(OutputInUse, match="run zzzzzzzzzz"):
            run(job(0))
    assert not (tmp_path / "rd" / "run.json").exists()
    assert run(job(0)).rows, "once it is free, the plan is taken as it is"


def test_a_shard_killed_between_the_claim_and_run_json_is_started_again_by_the_same_line(
    job, tmp_path, monkeypatch
):
    class Killed(BaseException):
        """Nothing is done after it but what the kernel does: the lock goes, the claim stays."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shard_place, "_write_manifest", killed)
        with pytest.raises(Killed):
            run(job(0))
    left = read_claim(str(tmp_path / "out.parquet"))
    assert (left.begun, (tmp_path / "rd" / "run.json").exists()) == (True, False)
    for shard in range(4):
        run(job(shard))
    assert merge(tmp_path / "rd").rows == 40


def test_two_machines_on_one_shard(job, tmp_path):
    run(job(0))
    directory = RunDirectory(tmp_path / "rd").shard(1)
    directory.create()
    journal = Journal(directory.journal)
    with pytest.raises(JournalInUse) as caught:
        run(job(1))
    journal.close()
    assert caught.value.exit is Exit.JOURNAL


def test_a_file_that_has_changed_since_the_plan_is_refused(job, tmp_path):
    run(job(0))
    path = Path(tmp_path / "in.jsonl")
    path.write_bytes(path.read_bytes() + b"\n{}")
    with pytest.raises(InputError, match="changed since the input was divided among the shards"):
        run(job(1))


def test_the_deadline_is_of_the_run_and_not_of_each_start(job, tmp_path, monkeypatch):
    run(job(0, run={"deadline_s": 100}))
    plan = read_plan(RunDirectory(tmp_path / "rd"))
    assert plan.deadline_at == pytest.approx(plan.created_at + 100, abs=5)
    directory = RunDirectory(tmp_path / "rd")
    content = json.loads(directory.plan.read_text())
    write_json(directory.plan, {**content, "deadline_at": plan.created_at - 1})
    with pytest.raises(DeadlineReached, match="the deadline of the run has passed"):
        run(job(1, run={"deadline_s": 100}))
