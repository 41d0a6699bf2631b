"""Slots: never more at work than there are, and one that is free is found."""

from __future__ import annotations

import logging

import anyio
import pytest

from fanout.shards import slots
from fanout.shards.slots import slot


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(slots, "LOOK_S", 0.001)


def test_never_more_are_at_work_than_there_are_slots(tmp_path, caplog):
    now = most = 0
    taken = []

    async def work(first):
        nonlocal now, most
        async with slot(tmp_path / "slots", slots=3, first=first % 3) as number:
            now += 1
            most = max(most, now)
            assert number not in taken
            taken.append(number)
            await anyio.sleep(0.01)
            taken.remove(number)
            now -= 1

    async def main():
        async with anyio.create_task_group() as tasks:
            for index in range(20):
                tasks.start_soon(work, index)

    with caplog.at_level(logging.WARNING, "fanout"):
        anyio.run(main)
    assert most == 3
    assert set(caplog.messages) == {"3 shards are at work already (--at-once): this one waits for its turn"}


def test_the_first_choice_is_ones_own(tmp_path):
    async def main():
        async with slot(tmp_path, slots=4, first=2) as one, slot(tmp_path, slots=4, first=2) as other:
            return one, other

    assert anyio.run(main) == (2, 3)
