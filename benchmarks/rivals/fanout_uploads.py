"""fanout's own upload stage on every file of a directory: the workers, the pacing and the S3 client of a run.

What a run adds to it (reading a dataset, routing, the invocation) is left out, as it is of the tools beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anyio

from fanout.aws.session import open_cloud
from fanout.concurrency.channel import Channel
from fanout.concurrency.clock import SystemClock
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Options, Record, Upload
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate, Pacer
from fanout.engine.stages.upload import upload_worker
from fanout.runtime.event_loop import run_in_event_loop
from fanout.runtime.settings import aws_settings


class Uploaded:
    """The one way of `engine.flow.Flow` that an upload takes: what is uploaded is to be sent."""

    def __init__(self, capacity: int) -> None:
        self.channel: Channel[OpenRow] = Channel(capacity)

    async def send(self, row: OpenRow) -> None:
        await self.channel.put(row)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("bucket")
    parser.add_argument("prefix")
    asked = parser.parse_args()
    workers, run, clock = Config().transport.uploads, new_run(), SystemClock()
    rows = OpenRows(run, outputs=OutputPaths(run), failures=OutputPaths(run))
    # Payloads in memory are those in the workers' hands, and one.
    uploads: Channel[OpenRow] = Channel(1)
    uploaded = Uploaded(workers)
    files = sorted(asked.directory.iterdir())
    async with open_cloud(aws_settings(Config(), None)) as cloud, anyio.create_task_group() as tasks:

        async def work() -> None:
            await upload_worker(
                uploads,
                rows=rows,
                flow=uploaded,
                objects=cloud.objects,
                gate=Gate(Pacer(), clock),
                clock=clock,
                kms_key_id=None,
                tags={},
            )

        async def read() -> None:
            for row, path in enumerate(files):
                record = Record(row, None, path.read_bytes(), Options())
                target = Location(asked.bucket, f"{asked.prefix}/{path.name}")
                await uploads.put(rows.admit(record, Upload(record.options, record.payload, target)))

        for _ in range(workers):
            tasks.start_soon(work)
        tasks.start_soon(read)
        for _ in files:
            await uploaded.channel.get()
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    run_in_event_loop(main)
