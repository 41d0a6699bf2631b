"""Reads the input in S3 for the threads of the source: by the run's own object store, on the run's event loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial

from anyio.from_thread import BlockingPortal

from fanout.domain.failures import GONE
from fanout.domain.location import Location
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, InputError, RunError
from fanout.ports import Clock, ObjectInfo, ObjectStore
from fanout.source.remote import Check

NEXT = "rows read so far are of the object that the run began with: put that back, or start a new run"
_LOOK_S = 0.2
"""How long a thread that waits for S3 goes without a look at whether it is to stop."""


class RemoteInput:
    """`source.remote.Remote`.

    Args:
        objects: S3. Its credentials are renewed as those of every other call: a run outlives its session's keys.
        portal: Leads from the threads of the source to the event loop.
        clock: The run's clock.
    """

    def __init__(self, objects: ObjectStore, *, portal: BlockingPortal, clock: Clock) -> None:
        self._objects = objects
        self._portal = portal
        self._clock = clock

    def find(self, location: Location) -> ObjectInfo | None:
        """Return what is known of an object; see `source.remote.Remote`."""
        return self._portal.call(
            partial(
                retry_call,
                lambda: self._objects.head(location),
                operation="s3:GetObject",
                clock=self._clock,
            )
        )

    def list(self, bucket: str, prefix: str) -> Iterator[Sequence[ObjectInfo]]:
        """Yield the objects below `prefix`; see `source.remote.Remote`."""
        pages = self._objects.list(bucket, prefix)

        async def page() -> Sequence[ObjectInfo] | None:
            # A page that failed is asked for again by the same iterator.
            return await retry_call(lambda: anext(pages, None), operation="s3:ListBucket", clock=self._clock)

        try:
            while (found := self._portal.call(page)) is not None:
                yield found
        except CallError as error:
            raise _judged(Location(bucket, prefix), "s3:ListBucket", error) from error

    def begin(self, location: Location, *, start: int, size_bytes: int, etag: str) -> _Pending:
        """Begin to read a range; see `source.remote.Remote`."""

        async def read() -> bytes:
            return await retry_call(
                partial(self._objects.read, location, start=start, size_bytes=size_bytes, etag=etag),
                operation="s3:GetObject",
                clock=self._clock,
            )

        return _Pending(location, self._portal.start_task_soon(read))


class _Pending:
    """`source.remote.Pending`."""

    def __init__(self, location: Location, future: Future[bytes]) -> None:
        self._location = location
        self._future = future

    def result(self, check: Check) -> bytes:
        while True:
            try:
                return self._future.result(_LOOK_S)
            except TimeoutError:
                if self._future.done():
                    continue
                self._stop_if(check)
            except CallError as error:
                raise _judged(self._location, "s3:GetObject", error) from error

    def _stop_if(self, check: Check) -> None:
        try:
            check()
        except BaseException:
            self._future.cancel()
            raise

    def cancel(self) -> None:
        self._future.cancel()


def _judged(location: Location, operation: str, error: CallError) -> RunError:
    """Return what an error means for the input."""
    uri = location.uri
    if error.code in {"PreconditionFailed", "InvalidRange"}:  # it ends before what was to be read of it
        return InputError(f"{uri}: changed while it was being read; {NEXT}")
    if error.code == "InvalidObjectState":
        return InputError(
            f"{uri}: is archived and cannot be read; restore it (aws s3api restore-object), then start again"
        )
    if error.code == "NoSuchBucket":
        return InputError(
            f"s3://{location.bucket}: there is no bucket of this name; check the name and the account"
        )
    if error.missing:
        return InputError(f"{uri}: removed while it was being read; {NEXT}")
    said = InputError if error.code in GONE else RunError
    return said(f"{uri}: {remedy(operation, error)}")
