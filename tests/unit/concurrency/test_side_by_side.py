"""Calls that are begun at once, and what becomes of the others when one fails."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from fanout.concurrency.side_by_side import beside, side_by_side


def test_results_come_in_the_order_of_the_calls_and_all_are_begun_at_once():
    async def main():
        begun, others = [], anyio.Event()

        async def call(name):
            begun.append(name)
            if len(begun) == 3:
                others.set()
            await others.wait()  # would wait for ever if they came in turn
            return name

        return await side_by_side([partial(call, name) for name in "abc"])

    assert anyio.run(main) == ["a", "b", "c"]


def test_none_is_none():
    async def main():
        return await side_by_side([])

    assert anyio.run(main) == []


def test_an_error_is_raised_as_it_is_and_the_others_are_cancelled():
    ended = []

    async def fails():
        raise KeyError("a bug")

    async def waits():
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    async def main():
        await side_by_side([waits, fails])

    with pytest.raises(KeyError, match="a bug"):
        anyio.run(main)
    assert ended == ["cancelled"]


def test_a_helper_goes_on_as_long_as_the_call():
    seen = []

    async def helps():
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cancelled")

    async def call():
        await anyio.sleep(0)
        seen.append("called")
        return 7

    async def fails():
        raise KeyError("a bug")

    assert anyio.run(beside, helps, call) == 7
    assert seen == ["called", "cancelled"]
    for helper, other in ((helps, fails), (fails, anyio.sleep_forever)):
        with pytest.raises(KeyError, match="a bug"):
            anyio.run(beside, helper, other)
