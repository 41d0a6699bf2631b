"""A child asks for its share of the rate, and its pacer goes by what it is granted."""

from __future__ import annotations

import json
import os

import anyio

from fanout.concurrency.clock import SystemClock
from fanout.engine.pacing import Pacer
from fanout.shards import lease_keeper
from fanout.shards.assignment import STOP, ParentPipe, grant_line
from fanout.shards.lease_keeper import LeaseKeeper


def test_it_asks_with_what_it_holds_and_sends_at_what_it_is_granted(monkeypatch):
    monkeypatch.setattr(lease_keeper, "RENEW_S", 0.02)
    reader, writer = os.pipe()
    said, clock = [], SystemClock()
    pipe, pacer = ParentPipe(reader), Pacer(rate_per_s=3.0, leased=True)

    async def main():
        stops = []

        async def obey():
            stops.extend([reason async for reason in pipe.orders()])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(LeaseKeeper(pipe, write=said.append).keep, pacer, clock)
            tasks.start_soon(obey)
            while not said:
                await anyio.sleep(0.001)
            held, asked_at = json.loads(said[0])["lease"]
            assert held == 0
            now = clock.now()
            assert pacer.due(now, since=now) > now, "nothing was granted"
            os.write(writer, grant_line(7, 50.0, asked_at=asked_at) + grant_line(6, 90.0, asked_at=asked_at))
            while json.loads(said[-1])["lease"][0] != 7:
                await anyio.sleep(0.001)
            assert pacer.statistics().configured_per_s == 50.0
            os.write(writer, STOP)
            os.close(writer)
            while not stops:
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
        assert stops == ["stopped with the run that it belongs to"]

    anyio.run(main)
    os.close(reader)


def test_a_parent_that_is_gone_is_no_error_of_its_own(monkeypatch):
    """The child collects what the endpoint has: it hears of the parent's end on the other pipe."""
    monkeypatch.setattr(lease_keeper, "RENEW_S", 0.01)
    asked = []

    def broken(line):
        asked.append(line)
        raise BrokenPipeError

    async def main():
        with anyio.move_on_after(5.0):
            async with anyio.create_task_group() as tasks:
                keeper = LeaseKeeper(ParentPipe(0), write=broken)
                tasks.start_soon(keeper.keep, Pacer(rate_per_s=3.0, leased=True), SystemClock())
                while len(asked) < 3:
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()

    anyio.run(main)
    assert len(asked) >= 3
