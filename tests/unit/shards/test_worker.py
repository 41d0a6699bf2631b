"""Which run a worker takes its shard for: a new one of its assignment, or the one that its directory holds."""

from __future__ import annotations

import subprocess

import pytest
from support.stdin import piped

from fanout.config.model import Config
from fanout.domain.row_ranges import STRIPE_ROWS, Stripe
from fanout.errors import UsageError
from fanout.rundir.paths import RunDirectory
from fanout.runtime.spec import RunSpec
from fanout.shards import worker
from fanout.shards.assignment import STOP, Assignment
from fanout.shards.worker import _spec

ASSIGNMENT = Assignment("bcdefghijk", Config(), Stripe(1, 2), None, None, "info", counts=False)


@pytest.fixture
def whole(tmp_path):
    def make(rows=None, retry_of=None):
        spec = RunSpec(
            run_id="abcdefghij",
            config=Config.model_validate({"run": {"processes": 2}}),
            directory=RunDirectory(tmp_path),
            rows=rows,
            retry_of=retry_of,
        )
        spec.manifest(fingerprint="f", endpoint="e").write(spec.directory.manifest)
        return spec.directory

    return make


def test_a_new_shard_is_of_the_input_that_the_whole_run_is_of(whole):
    shard = whole().shard(1)
    found = _spec(shard, ASSIGNMENT)
    assert shard.parts.is_dir()
    assert found == RunSpec(
        run_id="bcdefghijk", config=Config(), directory=shard, stripe=Stripe(1, 2), fingerprint="f"
    )


def test_of_a_retry_it_has_its_share_of_the_rows(whole):
    rows = ((0, 10), (STRIPE_ROWS - 1, STRIPE_ROWS + 2))
    found = _spec(whole(rows, "cdefghijkl").shard(1), ASSIGNMENT)
    assert found.wanted == ((STRIPE_ROWS, STRIPE_ROWS + 2),)
    assert found.retry_of == "cdefghijkl"


def test_a_shard_that_an_earlier_process_began_keeps_its_run(whole):
    shard = whole().shard(1)
    first = _spec(shard, ASSIGNMENT)
    first.manifest(fingerprint="f", endpoint="e").write(shard.manifest)
    again = Assignment("zzzzzzzzzz", ASSIGNMENT.config, Stripe(1, 2), None, None, "info", counts=False)
    found = _spec(shard, again)
    assert (found.run_id, found.begun, found.fingerprint) == ("bcdefghijk", True, "f")
    assert found.wanted == Stripe(1, 2)


def test_a_shard_of_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        _spec(RunDirectory(tmp_path).shard(0), ASSIGNMENT)


def test_the_orders_of_the_process_that_started_it_are_no_childs_to_read(monkeypatch, tmp_path):
    """A `credential_process` that read them would eat the order to stop."""

    async def run_shard(directory, assignment, parent):
        assert subprocess.run(["cat"], capture_output=True, check=True).stdout == b""
        async for order in parent.orders():
            heard.append(order)
            break

    heard = []
    monkeypatch.setattr(worker, "run_shard", run_shard)
    monkeypatch.setattr(worker, "configure", lambda **_: None)
    with piped(ASSIGNMENT.encode() + STOP):
        assert worker.main(str(tmp_path)) == 0
    assert heard == ["stopped with the run that it belongs to"]
