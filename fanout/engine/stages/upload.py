"""Stage: puts large payloads into S3, several at once; a routed row and its payload enter, a `Staged` row leaves.

Started as several workers by the pipeline. An upload repeated writes the same bytes to the same key.
"""

from __future__ import annotations

from collections.abc import Callable

from fanout.concurrency.channel import Channel
from fanout.domain.records import Sendable, Staged, Upload
from fanout.domain.remedies import remedy
from fanout.engine.open_row import OpenRow
from fanout.engine.pacing import Gate
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore


async def upload_worker(
    uploads: Channel[tuple[OpenRow, Upload]],
    ready: Channel[tuple[OpenRow, Sendable]],
    *,
    objects: ObjectStore,
    gate: Gate,
    clock: Clock,
    release: Callable[[OpenRow], None],
) -> None:
    """Upload each payload and pass its row on, for ever.

    Args:
        uploads: Rows with their payloads.
        ready: Takes rows whose payload is in S3.
        objects: Where payloads go.
        gate: Bounds bytes a second.
        clock: The run's clock.
        release: Told each row whose payload is no longer needed in memory.

    Raises:
        RunError: S3 refuses the uploads; no row is at fault.
    """
    while True:
        entry, item = await uploads.get()
        await gate.wait(size_bytes=len(item.payload), requests=0)
        started = clock.now()

        async def put(item: Upload = item) -> None:
            await objects.put(item.location, item.payload, content_type=item.options.content_type)

        try:
            await retry_call(put, operation="s3:PutObject")
        except CallError as error:
            raise RunError(f"{item.location.uri}: {remedy('s3:PutObject', error)}") from error
        failpoint("upload.stored")
        entry.upload_started_at, entry.uploaded_at = started, clock.now()
        entry.input = item.location.uri
        # The payload is in S3 now, so the bytes can go: a re-send, after a failure of the model too, names the object.
        entry.item = staged = Staged(item.options, entry.input)
        release(entry)
        await ready.put((entry, staged))
