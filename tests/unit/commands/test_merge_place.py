"""What a merge says of shards that are missing, and what it does where another merge was faster."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory
from support.plans import PLAN

from fanout.commands import merge_place
from fanout.commands.find_place import looking
from fanout.commands.merge_place import missing_line_at
from fanout.config.model import Config
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.sign_of_life import LastWrite

PLACE = run_place("s3://simulated/runs/one")


@pytest.mark.parametrize(
    ("wrote", "state"),
    [
        (None, "was not started"),
        (LastWrite(1.0, 44.0, closed=False, owner=None), "is running"),
        (LastWrite(1.0, 46.0, closed=False, owner=None), "has stopped"),
        (LastWrite(1.0, 0.0, closed=True, owner=None), "has stopped"),
    ],
)
def test_a_missing_shard_is_named_with_its_state_and_its_command(monkeypatch, wrote, state):
    in_memory(monkeypatch)

    async def last_write(_, shard, *, clock):
        assert shard == PLACE.shard(1)
        return wrote

    monkeypatch.setattr(merge_place, "last_write", last_write)

    async def main():
        async with looking(Config()) as session:
            return await missing_line_at(session, PLACE, PLAN, 1)

    assert anyio.run(main) == f"shard 1 {state}: --shard 1/2"
