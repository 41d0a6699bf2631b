"""Inputs in S3, on every cloud: objects, prefixes, globs, packed, Parquet, and keys of every shape."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import asynccontextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from anyio import to_thread
from anyio.from_thread import BlockingPortal
from support.settings import input_settings

from fanout.aws.sdk.objects import S3Objects
from fanout.concurrency.clock import SystemClock
from fanout.domain.location import Location
from fanout.errors import Exit, InputError, RunError, unwrapped
from fanout.runtime.remote_input import RemoteInput
from fanout.simulator.errors import ServiceError
from fanout.source.selection import Selection
from fanout.source.source import open_source

pytestmark = pytest.mark.asyncio(loop_scope="module")


def lines(*numbers):
    return b"".join(b'{"n":%d}\n' % number for number in numbers)


def parquet(*numbers, columns=1):
    sink = io.BytesIO()
    table = pa.table({"n": list(numbers)} | {f"c{at}": ["x" * 100] * len(numbers) for at in range(columns)})
    pq.write_table(table, sink, row_group_size=max(1, len(numbers) // 3))
    return sink.getvalue()


@asynccontextmanager
async def opened(harness, *uris, selection=None, **settings):
    with unwrapped():
        async with BlockingPortal() as portal:
            remote = RemoteInput(harness.cloud.objects, portal=portal, clock=SystemClock())
            make = partial(
                open_source, input_settings(uris, **settings), selection or Selection(), remote=remote
            )
            yield await to_thread.run_sync(make)


async def read(harness, *uris, selection=None, **settings):
    """Return the numbers that the rows hold, and the paths of the inputs."""
    async with opened(harness, *uris, selection=selection, **settings) as source:
        rows = [row async for chunk in source.chunks() for row in chunk]
        assert source.statistics().share in {1.0, None}
    return [json.loads(row.payload)["n"] for row in rows], [file.path for file in source.inputs]


async def put(harness, run, objects):
    prefix = f"inputs/{run}"
    for name, body in objects.items():
        await harness.cloud.objects.put(Location(harness.bucket, f"{prefix}/{name}"), body)
    return f"s3://{harness.bucket}/{prefix}"


ODD = ["a.jsonl", "sub//a.jsonl", "sub/a.jsonl", "sub/./a.jsonl", "ü ☃/a b+c%20#?&.jsonl", "~'()*!.jsonl"]


@pytest.mark.parametrize(
    ("objects", "asked", "numbers"),
    [
        ({"k.jsonl": lines(1, 2)}, "k.jsonl", [1, 2]),
        ({"d/b.jsonl": lines(2), "d/a.jsonl": lines(1), "e.jsonl": lines(9), "d/": b""}, "d", [1, 2]),
        ({"part-2.jsonl": lines(2), "part-1.jsonl": lines(1), "other.jsonl": lines(9)}, "part-*", [1, 2]),
        ({"x/1/a.jsonl": lines(1), "x/2/a.jsonl": lines(2), "x/2/b.txt": lines(9)}, "**/a.*", [1, 2]),
        ({"k.jsonl.gz": gzip.compress(lines(1)) + gzip.compress(lines(2))}, "k.jsonl.gz", [1, 2]),
        ({"k.jsonl.zst": zstandard.compress(lines(1, 2))}, "", [1, 2]),
        ({"k.parquet": parquet(*range(9))}, "k.parquet", list(range(9))),
        ({"d/1.parquet": parquet(1, 2), "d/2.parquet": parquet(3)}, "d/", [1, 2, 3]),
        ({"empty.jsonl": b"", "k.jsonl": lines(1)}, "", [1]),
        ({name: lines(at) for at, name in enumerate(sorted(ODD))}, "", list(range(len(ODD)))),
    ],
)
async def test_what_an_uri_means_is_read_in_the_order_of_the_keys(storage, run, objects, asked, numbers):
    place = await put(storage, run, objects)
    assert (await read(storage, f"{place}/{asked}".rstrip("/")))[0] == numbers


async def test_a_key_of_every_shape_is_read_by_its_name(storage, run):
    place = await put(storage, run, {name: lines(at) for at, name in enumerate(ODD)})
    for at, name in enumerate(ODD):
        assert await read(storage, f"{place}/{name}") == ([at], [f"{place}/{name}"])


async def test_a_thousand_objects_and_one(inference, run):
    count = 101 if isinstance(inference.cloud.objects, S3Objects) else 1_001  # it takes 2 ms for each
    objects = {f"{at:04d}.jsonl": lines(at) for at in range(count)}
    for name, body in objects.items():
        inference.world.objects.put(
            inference.bucket, f"inputs/{run}/{name}", body, content_type=None, now=1_000.0
        )
    found, paths = await read(inference, f"s3://{inference.bucket}/inputs/{run}/")
    assert (found, len(paths)) == (list(range(count)), count)


async def test_columns_that_are_not_asked_for_are_not_fetched(storage, run):
    body = parquet(*range(20_000), columns=8)
    place = await put(storage, run, {"k.parquet": body})
    selection = Selection(payload_fields=("n",))
    assert (await read(storage, f"{place}/k.parquet", selection=selection))[0] == list(range(20_000))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nothing", "no such object or prefix"),
        ("nothing*", "no object matches"),
        ("", "no such object or prefix"),
    ],
)
async def test_nothing_is_said_by_its_name(storage, run, asked, said):
    uri = f"s3://{storage.bucket}/inputs/{run}/{asked}"
    with pytest.raises(InputError) as caught:
        await read(storage, uri)
    assert str(caught.value) == f"{uri}: {said}"
    assert caught.value.exit is Exit.USAGE


async def test_a_bucket_that_is_not_there_is_said(storage, run):
    with pytest.raises(InputError, match=f"s3://missing-{run}: there is no bucket of this name"):
        await read(storage, f"s3://missing-{run}/k")


@pytest.mark.parametrize("name", ["k.jsonl", "k.parquet"])
async def test_an_object_that_is_replaced_while_it_is_read_gives_no_wrong_row(storage, run, name):
    bodies = [lines(*range(start, start + 2_000)) for start in (0, 5_000)]
    if name == "k.parquet":
        bodies = [parquet(*range(start, start + 2_000)) for start in (0, 5_000)]
    place = await put(storage, run, {name: bodies[0]})
    async with opened(storage, f"{place}/{name}") as source:
        await put(storage, run, {name: bodies[1]})
        with pytest.raises(InputError, match=f"{place}/{name}: changed while it was being read"):
            _ = [chunk async for chunk in source.chunks()]


async def test_a_refused_object_names_the_right(inference, run, monkeypatch):
    place = await put(inference, run, {"k.jsonl": lines(1)})
    permit = inference.world.faults.permit

    def deny(operation):
        if operation == "GetObject":
            raise ServiceError(403, "AccessDenied", "Access Denied")
        permit(operation)

    monkeypatch.setattr(inference.world.faults, "permit", deny)
    with pytest.raises(RunError, match="Grant s3:GetObject to the role") as caught:
        await read(inference, f"{place}/k.jsonl")
    assert caught.value.exit is Exit.PRECONDITION
