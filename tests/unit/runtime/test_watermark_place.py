"""A watermark in S3: lost replies, and other nights that end in the same moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.domain.location import Location
from fanout.errors import CallError, Phase, RunError, UsageError
from fanout.ports import ObjectInfo
from fanout.runtime.watermark_place import TRIES, WatermarkPlace
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World
from fanout.source.files import InputFile

BUCKET, KEY = "simulated", "q/mark.json"
LOST = CallError(Phase.EXCHANGE, "ConnectionResetError")
CONFLICT = CallError(Phase.REPLY, "ConditionalRequestConflict", status=409)


def file(key):
    return InputFile(key, 1, None, object=ObjectInfo(Location(BUCKET, key), 1, 0.0, "e"))


class Account:
    def __init__(self):
        self.world = World(SimulatorSettings(), now=0.0)
        self.clock = VirtualClock()
        self.objects = MemoryCloud(self.world, self.clock).objects
        self.puts = 0
        self.around_put = None
        self._put = self.objects.put
        self.objects.put = self.put

    async def put(self, *arguments, **more):
        self.puts += 1
        if self.around_put is not None:
            return await self.around_put(lambda: self._put(*arguments, **more))
        return await self._put(*arguments, **more)

    def place(self, uri=f"s3://{BUCKET}/{KEY}"):
        return WatermarkPlace(uri, objects=self.objects, clock=self.clock)

    async def move(self, *keys, run="r"):
        files = [file(key) for key in keys]
        return await self.place().move(lambda now: now.after(files, run=run, output="o"))


def test_a_reply_that_was_lost_moves_it_once():
    account = Account()

    async def main():
        replies = [LOST, None]

        async def lost(put):
            await put()
            if error := replies.pop(0):
                raise error

        account.around_put = lost
        await account.move("a")
        return await account.place().read()

    found = run_virtual(main)
    assert (list(found.files), found.run) == (["a"], "r")


@pytest.mark.parametrize("first", [False, True])
def test_what_another_night_put_there_in_the_last_moment_stays(first):
    account = Account()

    async def main():
        if not first:
            await account.move("0", run="before")

        async def late(put):
            account.around_put = None
            await account.move("b", run="other")
            return await put()

        account.around_put = late
        before = await account.move("a")
        assert before.run == "other", "what stood there in the end is told"
        return await account.place().read()

    found = run_virtual(main)
    assert sorted(found.files) == (["a", "b"] if first else ["0", "a", "b"])
    assert found.run == "r"


def test_others_that_keep_moving_it_are_told():
    account = Account()

    async def main():
        async def refused(_put):
            raise CONFLICT

        account.around_put = refused
        with pytest.raises(RunError, match="other runs keep moving this watermark"):
            await account.move("a")

    run_virtual(main)
    assert account.puts == TRIES


def test_one_that_is_moved_while_it_is_read_is_read_anew():
    account = Account()

    async def main():
        await account.move("a")
        head = account.objects.head

        async def stale(location):
            found = await head(location)
            account.objects.head = head
            await account.move("b", run="other")
            return found

        account.objects.head = stale
        return await account.place().read()

    assert run_virtual(main).run == "other"


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/"])
def test_a_place_that_names_no_object_is_refused(uri):
    with pytest.raises(UsageError, match=r"input\.watermark: .* names no object"):
        Account().place(uri)


def test_a_local_one_is_replaced_in_one_step(tmp_path):
    account = Account()
    path = Path(tmp_path / "mark.json")

    async def main():
        place = account.place(str(path))
        assert await place.read() is None
        await place.prove()
        for key in "ab":
            await place.move(lambda now, key=key: now.after([file(key)], run="r", output="o"))
        return await place.read()

    assert list(run_virtual(main).files) == ["a", "b"]
    assert [each.name for each in tmp_path.iterdir()] == ["mark.json"]
