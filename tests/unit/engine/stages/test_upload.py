"""An upload that ends after its row leaves nothing behind: a row that an earlier process had sent may end meanwhile."""

from __future__ import annotations

import anyio
import pytest
from support.flow import RecordingFlow

from fanout.concurrency.channel import Channel
from fanout.concurrency.clock import SystemClock
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice, Options, Record, Upload
from fanout.domain.row_state import RowRecord, RowState
from fanout.engine.open_row import State
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate, Pacer
from fanout.engine.stages.upload import upload_worker
from fanout.errors import CallError, Phase

HERE = Location("inputs", "0a/abcdefghij/7")
RUN = "abcdefghij"


class SlowStore:
    """Stores what it is given once it is released."""

    def __init__(self):
        self.begun, self.release = anyio.Event(), anyio.Event()
        self.stored = []
        self.fails = 0

    async def put(self, location, body, *, content_type=None, tags=None):
        self.begun.set()
        self.stored.append(location)
        await self.release.wait()
        if self.fails:
            self.fails -= 1
            raise CallError(Phase.EXCHANGE, "ConnectionResetError")


class Uploading:
    """A worker that uploads the payload of a row that an earlier process may have sent."""

    def __init__(self, *, kept=False):
        self.clock = SystemClock()
        self.rows = OpenRows(RUN, outputs=OutputPaths(RUN, path="s3://b/out"), failures=OutputPaths(RUN))
        self.flow, self.store = RecordingFlow(self.rows), SlowStore()
        self.discarded, discard = anyio.Event(), self.flow.discard
        self.flow.discard = lambda upload: (discard(upload), self.discarded.set())
        record = Record(7, None, b"payload", Options())
        item = Upload(record.options, record.payload, HERE)
        line = RowRecord(7, RowState.INTENT, generation=0, sends=1, resends=0)
        self.row = self.rows.restore(record, item, line, upload=None if kept else HERE, now=self.clock.now())
        assert self.row.state is State.UNCERTAIN

    async def work(self):
        uploads = Channel(1)
        await uploads.put(self.row)
        await upload_worker(
            uploads,
            rows=self.rows,
            flow=self.flow,
            objects=self.store,
            gate=Gate(Pacer(rate_per_s=None), self.clock),
            clock=self.clock,
            kms_key_id=None,
            tags={},
        )

    def end(self):
        self.rows.claim(Notice(7, 0, 1, True, "sqs", self.clock.now()))
        self.flow.finish(self.row, status="succeeded")


def run(main):
    async def bounded():
        with anyio.fail_after(30):
            await main()

    anyio.run(bounded)


@pytest.mark.parametrize("way", ["it ends", "it is cancelled"])
def test_what_is_stored_after_its_row_was_forgotten_is_deleted(way):
    async def main():
        upload = Uploading()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.work)
            await upload.store.begun.wait()
            upload.end()
            assert upload.rows.durable([7]) == ([], [HERE])
            if way == "it ends":
                upload.store.release.set()
                await anyio.wait_all_tasks_blocked()
                assert upload.flow.discarded == [HERE]
            tasks.cancel_scope.cancel()
        assert upload.flow.discarded == [HERE]
        assert upload.store.stored == [HERE]

    run(main)


def test_what_is_stored_before_its_row_is_durable_is_deleted_with_it():
    async def main():
        upload = Uploading()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.work)
            await upload.store.begun.wait()
            upload.end()
            upload.store.release.set()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert upload.flow.discarded == []
        assert upload.rows.durable([7]) == ([], [HERE])

    run(main)


def test_an_upload_that_failed_is_not_tried_again_once_its_row_has_ended():
    async def main():
        upload = Uploading()
        upload.store.fails = 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.work)
            await upload.store.begun.wait()
            upload.end()
            upload.rows.durable([7])
            upload.store.release.set()
            await upload.discarded.wait()
            tasks.cancel_scope.cancel()
        assert upload.store.stored == [HERE]
        assert upload.flow.discarded == [HERE]

    run(main)


def test_kept_inputs_are_kept():
    async def main():
        upload = Uploading(kept=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.work)
            await upload.store.begun.wait()
            upload.end()
            upload.rows.durable([7])
            upload.store.release.set()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert upload.flow.discarded == []

    run(main)


def test_an_open_row_keeps_its_upload():
    async def main():
        upload = Uploading()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload.work)
            await upload.store.begun.wait()
            upload.store.release.set()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        assert upload.flow.discarded == []
        assert upload.flow.deferred == [(upload.row, 0.0)]

    run(main)
