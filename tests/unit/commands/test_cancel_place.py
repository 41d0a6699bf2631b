"""An order to stop: which shards will hear it, and which need not."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from support.in_memory import in_memory
from support.plans import PLAN

from fanout.commands import cancel_place
from fanout.commands.cancel_place import cancel_at
from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.rundir.shard_plan import PlannedShard
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.sign_of_life import LastWrite

PLACE = run_place("s3://simulated/runs/one")
SHARDS = 18  # more than are looked at side by side


@pytest.fixture
def account(monkeypatch):
    account = in_memory(monkeypatch)
    shards = tuple(PlannedShard("a" * 9 + chr(ord("a") + index), ()) for index in range(SHARDS))
    body = replace(PLAN, shards=shards).dump()
    account.world.objects.put(*PLACE.plan, body, content_type=None, now=1.0)
    return account


def cancel():
    async def main():
        async with looking(Config()) as session:
            return await cancel_at(session, PLACE)

    return anyio.run(main)


def test_finished_running_silent_and_unstarted_shards_are_told_apart(account, monkeypatch):
    for index in (0, 17):
        account.world.objects.put(*PLACE.shard(index).subtotal, b"{}", content_type=None, now=1.0)
    writes = {
        1: LastWrite(1.0, 3.0, closed=False, owner=None),
        2: LastWrite(1.0, 44.9, closed=False, owner=None),
        3: LastWrite(1.0, 45.0, closed=False, owner=None),  # silent
        4: LastWrite(1.0, 1.0, closed=True, owner=None),  # ended in order
    }

    async def last_write(_, shard, *, clock):
        return writes.get(int(shard.prefix[-3:]))

    monkeypatch.setattr(cancel_place, "last_write", last_write)
    found = cancel()
    assert (found.finished, found.running, found.shards) == (2, 2, SHARDS)
    assert account.world.objects.find(*PLACE.cancel) is not None


def test_an_order_that_stands_is_left_as_it_is(account):
    account.world.objects.put(*PLACE.cancel, b"the first", content_type=None, now=1.0)
    assert cancel().running == 0
    assert account.world.objects.get(*PLACE.cancel).body == b"the first"


def test_what_has_finished_or_never_was_is_not_cancelled(account):
    account.world.objects.put(*PLACE.summary, b"{}", content_type=None, now=1.0)
    with pytest.raises(UsageError, match="has finished: there is nothing to stop"):
        cancel()
    assert account.world.objects.find(*PLACE.cancel) is None
    account.world.objects.delete(PLACE.bucket, PLACE.plan.key)
    with pytest.raises(UsageError, match="holds no run of several shards"):
        cancel()
