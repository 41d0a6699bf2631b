"""The plan at a run's place in S3: a shard reads its head and its own units, whatever the plan's length."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from support.in_memory import in_memory
from support.plans import PLAN, long_plan

from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.errors import JournalError, RunError
from fanout.runtime.place.run_place import run_place
from fanout.shards.kept_plan import HEAD_BYTES, read_plan_at, read_shard_plan
from fanout.shards.kept_shards import put_new

PLACE = run_place("s3://simulated/runs/one")
LONG, WIDE = long_plan(), long_plan(units=2_000, shards=1_000)


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch)


class Counting:
    """S3 that counts the bytes of what it sends."""

    def __init__(self, objects):
        self._objects, self.sent = objects, []

    async def read(self, location, **more):
        body = await self._objects.read(location, **more)
        self.sent.append(len(body))
        return body

    async def get(self, location, **more):
        found = await self._objects.get(location, **more)
        self.sent.append(len(found.body))
        return found


def put(body):
    async def main():
        async with looking(Config()) as session:
            assert await put_new(session.cloud.objects, PLACE.plan, body, clock=session.clock)

    anyio.run(main)


def read(index=None):
    """Return the plan, of one shard if that is named, and how many bytes came in each reply."""

    async def main():
        async with looking(Config()) as session:
            objects = Counting(session.cloud.objects)
            if index is None:
                return await read_plan_at(objects, PLACE, clock=session.clock), objects.sent
            return await read_shard_plan(objects, PLACE, index, clock=session.clock), objects.sent

    return anyio.run(main)


def of_one(plan, index):
    shards = (
        shard if number == index else replace(shard, units=()) for number, shard in enumerate(plan.shards)
    )
    return replace(plan, shards=tuple(shards))


@pytest.mark.parametrize("index", [0, 31, 63])
def test_a_shard_reads_the_head_and_its_own_units(account, index):
    body = LONG.dump_packed()
    put(body)
    found, sent = read(index)
    assert found == of_one(LONG, index)
    assert len(sent) <= 2
    assert sum(sent) < HEAD_BYTES + 1_500 < len(body) / 6
    assert read() == (LONG, [len(body)])


def test_a_long_head_is_read_in_two(account):
    put(WIDE.dump_packed())
    found, sent = read(999)
    assert found == of_one(WIDE, 999)
    assert len(sent) == 3


@pytest.mark.parametrize("body", [PLAN.dump(), LONG.dump()], ids=["short", "long, not packed"])
def test_plain_json_is_read_whole(account, body):
    put(body)
    found, _ = read(0)
    assert found == (PLAN if body == PLAN.dump() else LONG)


def test_there_is_no_plan(account):
    assert read(0) == (None, [])


def test_a_shard_beyond_the_last_gets_the_plan_to_be_told_so(account):
    put(LONG.dump_packed())
    assert read(64)[0] == of_one(LONG, 64)


@pytest.mark.parametrize("cut", [9, 2_000, -1])
def test_a_truncated_one_is_refused(account, cut):
    put(LONG.dump_packed()[:cut])
    with pytest.raises(JournalError, match=r"plan\.json is damaged: it"):
        read(63)


def test_an_empty_one_is_refused(account):
    put(b"")
    with pytest.raises(RunError, match=r"plan\.json"):
        read(0)
