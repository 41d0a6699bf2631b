"""Several processes of a run before any of them is started: what each is to do, and what they cannot share."""

from __future__ import annotations

import gzip
import logging
import os
from contextlib import contextmanager
from dataclasses import replace

import anyio
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.errors import JournalError, UsageError
from fanout.observability.metrics.fold import Fold
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import read_plan
from fanout.runtime.session import open_session
from fanout.runtime.spec import RunSpec
from fanout.shards.executor import ShardExecutor, executor_of
from fanout.shards.processes import ProcessLauncher


@pytest.fixture
def spec(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])

    def make(*, processes=3, path="in.jsonl", run=None, **more):
        config = Config.model_validate(
            {
                "endpoint": {"name": "simulated"},
                "input": {"paths": [str(tmp_path / path)], **more.pop("input", {})},
                "pacing": {"rate": 100},
                "run": {"processes": processes, **(run or {})},
            }
        )
        return RunSpec(run_id="abcdefghij", config=config, directory=RunDirectory(tmp_path))

    return make


def prepare(spec, *, fold=None):
    async def main():
        async with open_session(spec.config) as session:
            return await ShardExecutor(spec, ProcessLauncher()).prepare(session, fold=fold)

    return anyio.run(main)


def test_one_process_needs_no_executor(spec):
    assert executor_of(spec(processes=1)) is None
    assert isinstance(executor_of(spec()), ShardExecutor)


@pytest.mark.parametrize("fold", [None, Fold()])
def test_each_process_has_a_part_and_a_share_and_a_run_of_its_own(monkeypatch, spec, fold, tmp_path):
    account = in_memory(monkeypatch)
    monkeypatch.setattr(logging.getLogger("fanout"), "level", logging.INFO)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(300)])
    members = prepare(spec(), fold=fold)._members
    assignments = [member.assignment for member in members]
    plan = read_plan(RunDirectory(tmp_path))
    assert [each.stripe for each in assignments] == [None] * 3
    assert [each.shard for each in assignments] == [0, 1, 2]
    assert [each.run_id for each in assignments] == [shard.run_id for shard in plan.shards]
    assert sum(each.config.pacing.rate for each in assignments) == 100
    assert len({each.run_id for each in assignments} | {"abcdefghij"}) == 4
    assert {each.counts for each in assignments} == {fold is not None}
    assert {each.log_level for each in assignments} == {"info"}
    assert [member.directory.path for member in members] == [
        tmp_path / "shards" / name for name in ("000", "001", "002")
    ]
    assert "+queue" not in account.log, "each process opens its own"
    assert (plan.run_id, plan.at_once, plan.endpoint) == ("abcdefghij", 3, "simulated")


def gzipped(path):
    path.write_bytes(gzip.compress(b"{}\n" * 1_000))
    return {}


def limited(path):
    write_jsonl(path, [{"n": n} for n in range(300)])
    return {"config": {"input": {"limit": 10}}}


def retried(path):
    write_jsonl(path, [{"n": n} for n in range(300)])
    return {"rows": ((3, 5),)}


def begun(path):
    write_jsonl(path, [{"n": n} for n in range(300)])
    RunDirectory(path.parent).shard(0).create()
    return {"begun": True}


@pytest.mark.parametrize("why", [gzipped, limited, retried, begun])
def test_where_bytes_do_not_divide_the_work_rows_are_dealt_out(monkeypatch, spec, tmp_path, why):
    in_memory(monkeypatch)
    name = "in.jsonl.gz" if why is gzipped else "in.jsonl"
    more = why(tmp_path / name)
    given = replace(spec(path=name, **more.pop("config", {})), **more)
    members = prepare(given)._members
    assert [member.assignment.stripe for member in members] == [Stripe(index, 3) for index in range(3)]
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_binds_those_that_come_later(monkeypatch, spec, tmp_path):
    in_memory(monkeypatch)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(300)])
    first = [member.assignment.run_id for member in prepare(spec())._members]
    assert [member.assignment.run_id for member in prepare(replace(spec(), begun=True))._members] == first
    with pytest.raises(
        JournalError, match=r"is the plan of run abcdefghij with 3 shards, and this is run b+ with 3"
    ):
        prepare(replace(spec(), run_id="b" * 10))
    with pytest.raises(JournalError, match="with 2: put back"):
        prepare(spec(processes=2))


def test_more_shards_than_are_at_work_at_once_take_turns_with_the_shares(monkeypatch, spec, tmp_path):
    in_memory(monkeypatch)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(300)])
    work = prepare(spec(processes=1, run={"shards": 8, "at_once": 2}))
    assert len(work._members) == 8
    assert [share.pacing.rate for share in work._shares] == [50, 50]
    assert {member.assignment.config.pacing.rate for member in work._members} == {50}


@pytest.mark.parametrize(
    ("run", "of"),
    [
        ({"shards": 8, "at_once": 2}, 2),
        ({"shards": 4, "at_once": 4, "engine": "ray", "ray_address": "auto"}, 1),
        ({"shards": 4, "at_once": 4, "engine": "ray"}, 3),
    ],
)
def test_memory_is_shared_by_the_shards_on_one_host(monkeypatch, spec, tmp_path, run, of):
    """On a cluster, each has a host or a core's share of one; a Ray of its own is on this machine, with its cores."""
    in_memory(monkeypatch)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(300)])
    work = prepare(spec(processes=1, run=run))
    assert [share.output.part_rows for share in work._shares] == [
        pytest.approx(5_000 / of, abs=1) for _ in range(run["at_once"])
    ]
    assert {share.pacing.rate for share in work._shares} == {100 / run["at_once"]}


def test_shards_that_were_asked_for_are_not_dealt_out(monkeypatch, spec, tmp_path):
    in_memory(monkeypatch)
    gzipped(tmp_path / "in.jsonl.gz")
    given = spec(processes=1, path="in.jsonl.gz", run={"shards": 8})
    with caught() as warned:
        prepare(given)
    assert warned() == [
        "there is something to read for 1 of 8 shards: 1 compressed file can be read from its start alone"
    ]
    (tmp_path / "plan.json").unlink()
    with pytest.raises(UsageError, match="limit counts rows from the first one"):
        prepare(spec(processes=1, run={"shards": 8}, input={"limit": 3}))


@contextmanager
def caught():
    """Collect the warnings of sessions."""
    texts = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())
    logging.getLogger("fanout").addHandler(handler)
    try:
        yield lambda: texts
    finally:
        logging.getLogger("fanout").removeHandler(handler)


def test_a_pipe_is_not_shared(monkeypatch, spec, tmp_path):
    in_memory(monkeypatch)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="a pipe can be read once"):
        prepare(spec(path="pipe"))


def test_a_shard_that_a_process_of_an_earlier_start_has_is_named(spec):
    given = spec()
    executor = ShardExecutor(given, ProcessLauncher())
    executor.check_free()
    shard = given.directory.shard(1)
    shard.create()
    journal = Journal(shard.journal)
    with pytest.raises(JournalInUse, match=r"shards/001 is in use by another process \(unknown\)"):
        executor.check_free()
    journal.close()
    executor.check_free()
