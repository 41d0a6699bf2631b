"""A child's orders: its assignment travels on a line, and the end of the pipe is an order too."""

from __future__ import annotations

import os
from dataclasses import replace

import anyio
import pytest

from fanout.config.model import Config
from fanout.domain.row_ranges import Stripe
from fanout.shards.assignment import STOP, Assignment, ParentPipe
from fanout.simulator.process import SimulatorAddress


def test_an_assignment_travels_on_a_line():
    simulator = SimulatorAddress(
        "http://x", "r", "key", "secret", "token", "e", "1", "in", "out", None, None, 7
    )
    config = Config.model_validate({"pacing": {"rate": 2.5}, "run": {"grace_s": 3}})
    for given in (simulator, None):
        assignment = Assignment("abcdefghij", config, Stripe(1, 3), None, given, "info", counts=True)
        assert heard(assignment.encode())[0] == assignment
        planned = replace(assignment, stripe=None, shard=7)
        assert heard(planned.encode())[0] == planned


def heard(said):
    """Return the assignment and the orders that a child reads from `said`, then the end of the pipe."""
    reader, writer = os.pipe()
    os.write(writer, said)
    os.close(writer)
    pipe = ParentPipe(reader)

    async def orders():
        return [order async for order in pipe.orders()]

    try:
        return pipe.assignment(), anyio.run(orders)
    finally:
        os.close(reader)


def test_orders_are_told_one_by_one_and_a_parent_that_is_gone_is_one():
    line = Assignment("abcdefghij", Config(), Stripe(0, 2), None, None, "info", counts=False).encode()
    ordered, gone = (
        "stopped with the run that it belongs to",
        "stopped, as the process that started it is gone",
    )
    assert heard(line)[1] == [gone]
    assert heard(line + STOP)[1] == [ordered]
    assert heard(line + STOP + STOP)[1] == [ordered, ordered]
    with pytest.raises(EOFError):
        heard(line[:-5])
