"""The object store in memory."""

from __future__ import annotations

from support.memory import START, failing

from fanout.domain.location import Location
from fanout.errors import Phase
from fanout.ports import ObjectInfo
from fanout.simulator.settings import FaultSettings, SimulatorSettings


def test_objects_are_put_got_looked_at_and_deleted(simulate):
    async def scenario(cloud, clock):
        here, there = Location("simulated", "a/1"), Location("simulated", "a/2")
        await cloud.objects.put(here, b"abc", content_type="text/plain")
        got = await cloud.objects.get(here)
        assert (got.body, got.content_type, got.modified_at) == (b"abc", "text/plain", START)
        info = ObjectInfo(here, 3, START, '"900150983cd24fb0d6963f7d28e17f72"')
        assert await cloud.objects.head(here) == info
        assert await cloud.objects.head(there) is None
        assert await cloud.objects.head(Location("nowhere", "k")) is None
        async with failing(Phase.REPLY, "NoSuchKey", status=404):
            await cloud.objects.get(there)
        async with failing(Phase.REPLY, "NoSuchBucket", status=404):
            await cloud.objects.put(Location("nowhere", "k"), b"")
        assert list(await cloud.objects.delete([here, there])) == []
        assert await cloud.objects.head(here) is None
        async with failing(Phase.REPLY, "MalformedXML", status=400):
            await cloud.objects.delete([])

    simulate(scenario)


def test_a_listing_comes_in_pages_of_a_thousand(simulate):
    async def scenario(cloud, clock):
        for number in range(2_001):
            cloud.world.objects.put("simulated", f"p/{number:04d}", b"x", content_type=None, now=START)
        pages = [page async for page in cloud.objects.list("simulated", "p/")]
        assert [len(page) for page in pages] == [1_000, 1_000, 1]
        assert [info.location.key for page in pages for info in page] == [
            f"p/{number:04d}" for number in range(2_001)
        ]
        assert [page async for page in cloud.objects.list("simulated", "q/")] == []
        async for page in cloud.objects.list("simulated", "p/"):
            assert len(page) == 1_000
            break
        async with failing(Phase.REPLY, "NoSuchBucket", status=404):
            await anext(cloud.objects.list("nowhere", ""))

    simulate(scenario)


def test_s3_may_slow_down_truncate_and_hide(simulate):
    async def slow(cloud, clock):
        for call in (
            cloud.objects.put(Location("simulated", "k"), b""),
            cloud.objects.get(Location("simulated", "k")),
            cloud.objects.delete([Location("simulated", "k")]),
        ):
            async with failing(Phase.REPLY, "SlowDown", status=503):
                await call

    async def truncated(cloud, clock):
        await cloud.objects.put(Location("simulated", "k"), b"abc")
        async with failing(Phase.EXCHANGE, "IncompleteBody", status=200):
            await cloud.objects.get(Location("simulated", "k"))

    async def blind(cloud, clock):
        async with failing(Phase.REPLY, "AccessDenied", status=403):
            await cloud.objects.get(Location("simulated", "k"))
        assert await cloud.objects.head(Location("simulated", "k")) is None

    simulate(slow, SimulatorSettings(faults=FaultSettings(s3_slowdown_share=1.0)))
    simulate(truncated, SimulatorSettings(faults=FaultSettings(s3_truncated_get_share=1.0)))
    simulate(blind, SimulatorSettings(faults=FaultSettings(s3_forbidden_for_missing=True)))
