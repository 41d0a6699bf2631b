"""Shards of one run that start together: one makes the plan, and the others take it, or make one if it cannot."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory

from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.runtime.place.run_place import run_place
from fanout.shards import kept_planning
from fanout.shards.kept_planning import planned_once
from fanout.shards.kept_shards import put_new

PLACE = run_place("s3://simulated/runs/one")
SLOT = f"{PLACE.slots}000.fanout-claim"


@pytest.fixture(autouse=True)
def account(monkeypatch):
    monkeypatch.setattr(kept_planning, "LOOK_S", 0.01)
    return in_memory(monkeypatch)


def keys(account):
    return [key for key, _ in account.world.objects.list("simulated", PLACE.below, start_after="").entries]


class Shards:
    """So many shards that start together; the first `failing` of them that look at the input cannot read it."""

    def __init__(self, failing=0, uptime=lambda: 0.0):
        self.looks, self.failing, self.uptime = 0, failing, uptime
        self.made = []
        self.failed = 0

    async def one(self, session):
        async def plan():
            self.looks += 1
            if self.looks <= self.failing:
                raise UsageError("no such file")
            await anyio.sleep(0.05)
            return await put_new(session.cloud.objects, PLACE.plan, b"%d" % self.looks, clock=session.clock)

        try:
            self.made.append(
                await planned_once(
                    session.cloud.objects, PLACE, plan, clock=session.clock, uptime=self.uptime
                )
            )
        except UsageError:
            self.failed += 1

    def start(self, count):
        async def main():
            async with looking(Config()) as session, anyio.create_task_group() as tasks:
                for _ in range(count):
                    tasks.start_soon(self.one, session)

        anyio.run(main)


def test_one_of_many_looks_at_the_input(account):
    shards = Shards()
    shards.start(12)
    assert (shards.looks, sorted(shards.made)) == (1, [False] * 11 + [True])
    assert keys(account) == [PLACE.plan.key], "the slot is free again"


def test_one_that_fails_lets_the_others_find_out_themselves(account):
    shards = Shards(failing=12)
    shards.start(12)
    assert (shards.looks, shards.failed) == (12, 12)
    assert keys(account) == []


def test_one_that_is_gone_is_waited_for_as_long_as_a_silent_owner(account):
    async def dies():
        async with looking(Config()) as session:

            async def plan():
                raise RuntimeError("the host is gone")

            await planned_once(session.cloud.objects, PLACE, plan, clock=session.clock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fanout.runtime.object_claim.ObjectClaim.release", lambda *_: anyio.sleep(0))
        with pytest.raises(RuntimeError):
            anyio.run(dies)
    assert keys(account) == [SLOT]
    ticks = iter(range(0, 10_000, 9))
    shards = Shards(uptime=lambda: next(ticks))
    shards.start(1)
    assert (shards.looks, shards.made) == (1, [True])
    assert next(ticks) >= 45


def test_a_plan_that_is_there_is_not_made_again(account):
    account.world.objects.put(*PLACE.plan, b"0", content_type=None, now=1.0)
    shards = Shards()
    shards.start(3)
    assert (shards.looks, shards.made) == (0, [False] * 3)
