"""The small files of a run, in its place and back."""

from __future__ import annotations

import anyio
import pytest
from support.segments import BUSY, CONFLICT, DENIED, LOST, PLACE, Store

from fanout.concurrency.clock import SystemClock
from fanout.errors import RunError, UsageError
from fanout.runtime.place.place_files import fetch_file, put_file
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World


def account():
    clock = SystemClock()
    return Store(MemoryCloud(World(SimulatorSettings(), now=clock.now()), clock).objects), clock


@pytest.mark.parametrize("errors", [[], [BUSY], [CONFLICT]])
def test_a_file_comes_back_as_it_was(tmp_path, errors):
    async def main():
        store, clock = account()
        (tmp_path / "run.json").write_bytes(b"{}\n")
        store.before["put"] = errors
        await put_file(store, tmp_path / "run.json", PLACE.manifest, clock=clock, if_none_match="*")
        assert await fetch_file(store, PLACE.manifest, tmp_path / "copy", clock=clock)
        assert (tmp_path / "copy").read_bytes() == b"{}\n"
        assert not await fetch_file(store, PLACE.summary, tmp_path / "none", clock=clock)
        assert not (tmp_path / "none").exists()

    anyio.run(main)


def test_one_that_another_has_put_there_is_not_replaced(tmp_path):
    async def main():
        store, clock = account()
        mine, theirs = tmp_path / "mine", tmp_path / "theirs"
        mine.write_bytes(b"1")
        theirs.write_bytes(b"2")
        await put_file(store, theirs, PLACE.manifest, clock=clock, if_none_match="*")
        with pytest.raises(UsageError, match=r"run.json is there already: name another place"):
            await put_file(store, mine, PLACE.manifest, clock=clock, if_none_match="*")

    anyio.run(main)


def test_one_whose_reply_was_lost_is_known_again(tmp_path):
    async def main():
        store, clock = account()
        (tmp_path / "mine").write_bytes(b"1")
        store.after["put"] = [LOST]
        await put_file(store, tmp_path / "mine", PLACE.manifest, clock=clock, if_none_match="*")

    anyio.run(main)


def test_denied_says_so(tmp_path):
    async def main():
        store, clock = account()
        (tmp_path / "mine").write_bytes(b"1")
        store.before["put"] = [DENIED]
        with pytest.raises(RunError, match=r"run.json: s3:PutObject: AccessDenied.*Grant s3:PutObject"):
            await put_file(store, tmp_path / "mine", PLACE.manifest, clock=clock)

    anyio.run(main)
