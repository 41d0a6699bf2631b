"""Puts large payloads into S3, several at once.

The pipeline starts several workers. An upload that is repeated writes the same bytes to the same key.
"""

from __future__ import annotations

from collections.abc import Mapping

from fanout.concurrency.channel import Channel
from fanout.domain.records import Upload
from fanout.domain.remedies import upload_remedy
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.failpoints import failpoint
from fanout.ports import Clock, ObjectStore


async def upload_worker(
    uploads: Channel[OpenRow],
    *,
    rows: OpenRows,
    flow: Flow,
    objects: ObjectStore,
    gate: Gate,
    clock: Clock,
    kms_key_id: str | None,
    tags: Mapping[str, str],
) -> None:
    """Upload the payload of each row and have the row sent, for ever.

    Args:
        uploads: Rows whose payload must be uploaded.
        rows: The open rows.
        flow: Sends them.
        objects: Where payloads go.
        gate: Bounds bytes a second.
        clock: The run's clock.
        kms_key_id: The key that encrypts payloads, for the error's text; None for the bucket's own.
        tags: Tags of the payloads.

    Raises:
        RunError: S3 refuses the uploads; no row is at fault.
    """
    while True:
        row = await uploads.get()
        item = row.item
        if not isinstance(item, Upload):  # a notice of an earlier process's send has ended it meanwhile
            continue
        await gate.wait(size_bytes=len(item.payload), requests=0)
        started = clock.now()

        async def put(item: Upload = item) -> None:
            await objects.put(item.location, item.payload, content_type=item.options.content_type, tags=tags)

        try:
            await retry_call(put, operation="s3:PutObject", clock=clock)
        except CallError as error:
            raise RunError(upload_remedy(item.location, error, kms_key_id=kms_key_id, tags=tags)) from error
        failpoint("upload.stored")
        if rows.uploaded(row, item.location, started=started, now=clock.now()):
            await flow.send(row)
        elif row.state is State.UNCERTAIN and row.turn is None:
            flow.doubt(row)
