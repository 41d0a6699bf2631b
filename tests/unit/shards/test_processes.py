"""Several processes of a run before any of them is started: what each is to do, and what they cannot share."""

from __future__ import annotations

import logging
import os

import anyio
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.errors import UsageError
from fanout.observability.metrics.fold import Fold
from fanout.rundir.journal import Journal, JournalInUse
from fanout.rundir.paths import RunDirectory
from fanout.runtime.session import open_session
from fanout.runtime.spec import RunSpec
from fanout.shards.executor import executor_of
from fanout.shards.processes import ProcessExecutor


@pytest.fixture
def spec(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])

    def make(*, processes=3, path="in.jsonl"):
        config = Config.model_validate(
            {
                "endpoint": {"name": "simulated"},
                "input": {"paths": [str(tmp_path / path)]},
                "pacing": {"rate": 100},
                "run": {"processes": processes},
            }
        )
        return RunSpec(run_id="abcdefghij", config=config, directory=RunDirectory(tmp_path))

    return make


def prepare(spec, *, fold=None):
    async def main():
        async with open_session(spec.config) as session:
            return await ProcessExecutor(spec).prepare(session, fold=fold)

    return anyio.run(main)


def test_one_process_needs_no_executor(spec):
    assert executor_of(spec(processes=1)) is None
    assert isinstance(executor_of(spec()), ProcessExecutor)


@pytest.mark.parametrize("fold", [None, Fold()])
def test_each_process_has_a_stripe_and_a_share_and_a_run_of_its_own(monkeypatch, spec, fold, tmp_path):
    account = in_memory(monkeypatch)
    monkeypatch.setattr(logging.getLogger("fanout"), "level", logging.INFO)
    members = prepare(spec(), fold=fold)._members
    assignments = [member.assignment for member in members]
    assert [each.stripe for each in assignments] == [Stripe(index, 3) for index in range(3)]
    assert sum(each.config.pacing.rate for each in assignments) == 100
    assert len({each.run_id for each in assignments} | {"abcdefghij"}) == 4
    assert {each.counts for each in assignments} == {fold is not None}
    assert {each.log_level for each in assignments} == {"info"}
    assert [member.directory.path for member in members] == [
        tmp_path / "shards" / name for name in ("00", "01", "02")
    ]
    assert "+queue" not in account.log, "each process opens its own"


def test_a_pipe_is_not_shared(monkeypatch, spec, tmp_path):
    in_memory(monkeypatch)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="a pipe can be read once"):
        prepare(spec(path="pipe"))


def test_a_shard_that_a_process_of_an_earlier_start_has_is_named(spec):
    given = spec()
    executor = ProcessExecutor(given)
    executor.check_free()
    shard = given.directory.shard(1)
    shard.create()
    journal = Journal(shard.journal)
    with pytest.raises(JournalInUse, match=r"shards/01 is in use by another process \(unknown\)"):
        executor.check_free()
    journal.close()
    executor.check_free()
