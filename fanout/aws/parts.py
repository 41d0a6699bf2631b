"""Uploads one large object in parts, a few at a time, and completes or aborts the upload."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import anyio

from fanout.aws.settings import MIB, MULTIPART_BYTES, PART_BYTES, AwsSettings
from fanout.errors import CallError
from fanout.ports import Upload

_log = logging.getLogger(__name__)

MAX_PARTS = 10_000  # S3 user guide, "multipart upload limits"


Cut = tuple[int, int, int]
"""Number of a part, from 1, and where it starts and stops."""


async def upload_whole(upload: Upload, body: bytes | memoryview, *, settings: AwsSettings) -> str:
    """Store `body` by `upload`, which has no parts yet, and return the object's ETag.

    Args:
        upload: The upload.
        body: The whole object; parts of a view are views, and cost no copy.
        settings: Size of parts, and how many at a time.

    Raises:
        CallError: Of the step that failed; nothing is left behind, or the object stands whole where only the reply
            to the last step was lost.
    """

    async def put(number: int, start: int, stop: int) -> None:
        await upload.put_part(number, body[start:stop])

    async with aborting(upload):
        await put_parts(put, cut(len(body), part_bytes=settings.part_bytes), at_once=settings.parts_at_once)
        return await upload.complete()


@asynccontextmanager
async def aborting(upload: Upload) -> AsyncIterator[None]:
    """Abort the upload if the block fails: parts that are left behind are invisible and paid for.

    What cannot be aborted is logged: the block's own error is the one that counts.
    """
    try:
        yield
    except BaseException:
        with anyio.CancelScope(shield=True):  # implementations bound the time that this takes
            try:
                await upload.abort()
            except CallError as error:
                _log.warning(
                    "multipart upload %s of %s is left behind: s3:AbortMultipartUpload: %s",
                    upload.id,
                    upload.location.uri,
                    error,
                )
        raise


async def put_parts(
    put: Callable[[int, int, int], Awaitable[None]], parts: Iterator[Cut], *, at_once: int
) -> None:
    """Store `parts` by `put`, `at_once` at the same time; the first that fails ends the others, and is raised."""
    failures: list[Exception] = []

    async def work() -> None:
        for number, start, stop in parts:  # one iterator for all workers
            try:
                await put(number, start, stop)
            except Exception as error:  # noqa: BLE001 - is raised below, without the task group's wrapping
                failures.append(error)
                workers.cancel_scope.cancel()

    async with anyio.create_task_group() as workers:
        for _ in range(at_once):
            workers.start_soon(work)
    if failures:
        raise failures[0]


def cut(size_bytes: int, *, part_bytes: int) -> Iterator[Cut]:
    """Yield (part number from 1, start, stop) over `size_bytes`.

    Parts are of `part_bytes` or, if 10,000 of those do not reach, of the first whole MiB that does.
    """
    smallest = -(-size_bytes // MAX_PARTS)
    step = max(part_bytes, -(-smallest // MIB) * MIB) if smallest > part_bytes else part_bytes
    for number, start in enumerate(range(0, size_bytes, step), start=1):
        yield number, start, min(start + step, size_bytes)


def put_requests(size_bytes: int) -> int:
    """Return how many requests, each at the price of a PUT, storing an object takes: one, or more in parts."""
    if size_bytes < MULTIPART_BYTES:
        return 1
    return 2 + sum(1 for _ in cut(size_bytes, part_bytes=PART_BYTES))  # CreateMultipartUpload, and Complete
