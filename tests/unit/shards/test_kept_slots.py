"""Slots that are objects in S3: never more at work than there are, one that is free is found, and all are let go of."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory

from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.runtime.place.run_place import run_place
from fanout.shards import kept_slots
from fanout.shards.kept_slots import held_slots, kept_slot, slot_place

PLACE = run_place("s3://simulated/runs/one")


@pytest.fixture(autouse=True)
def account(monkeypatch):
    monkeypatch.setattr(kept_slots, "LOOK_S", 0.005)
    return in_memory(monkeypatch)


def test_never_more_are_at_work_than_there_are_slots_and_each_begins_at_its_own(caplog):
    taken, numbers, most = set(), [], 0

    async def work(session, index):
        nonlocal most
        objects, clock = session.cloud.objects, session.clock
        name = f"{index:0>10}".replace("0", "a").replace("1", "b")
        async with kept_slot(objects, PLACE, run_id=name, slots=3, first=index % 3, clock=clock) as (
            number,
            _,
        ):
            assert number not in taken
            taken.add(number)
            numbers.append(number)
            most = max(most, len(taken))
            await anyio.sleep(0.02)
            taken.remove(number)

    async def main():
        async with looking(Config()) as session:
            async with anyio.create_task_group() as tasks:
                for index in range(8):
                    tasks.start_soon(work, session, index)
            assert await held_slots(session.cloud.objects, PLACE, clock=session.clock) == {}

    anyio.run(main)
    assert (most, len(numbers), set(numbers)) == (3, 8, {0, 1, 2})
    assert caplog.text.count("3 shards are at work already") <= 5, "each that waits says so once"


def test_the_first_slot_that_is_looked_at_is_ones_own():
    async def main():
        async with looking(Config()) as session:
            objects, clock = session.cloud.objects, session.clock
            async with kept_slot(objects, PLACE, run_id="a" * 10, slots=4, first=2, clock=clock) as (
                number,
                claim,
            ):
                held = await held_slots(objects, PLACE, clock=clock)
                await claim.renew()
                again = await held_slots(objects, PLACE, clock=clock)
            return number, held, again

    number, held, again = anyio.run(main)
    assert number == 2
    assert list(held) == [f"{slot_place(PLACE, 2).key}.fanout-claim"]
    assert held != again, "one that is renewed is seen to live"
