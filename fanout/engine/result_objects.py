"""Gets result objects within the bytes that may be in memory, and tells what is wrong with one from what is with all.

One object that cannot be read is its row's fault. That none can be is the run's: a permission, a key, credentials.
"""

from __future__ import annotations

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.location import Location
from fanout.domain.object_faults import TOO_LARGE, ObjectFault, explanation, is_shared, may_pass, object_fault
from fanout.domain.remedies import remedy
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Admit, Clock, Object, ObjectStore

LOOKS = 7
"""How often an announced object is looked for: 0.1, 0.2, ... 3.2 s apart. S3 is strongly consistent, so this only
covers a notification that overtakes the write, which is not documented either way."""

DENIED_MAX = 3
"""So many different objects are refused, or all that there are, and none can be read: permission is lacking."""
DENIED_S = 120.0
"""Messages that say what is not so yet can be forged; by then a result stands, if any is going to."""

UNREADABLE_MAX = 20
"""So many objects in a row that stand there and cannot be read, and none that can: what they share is at fault."""

LEAST_TRIES = 5
"""Of a download that fails in passing: one of a large object may take longer than the time after which others end."""

THROTTLED_ROUNDS = 8
"""Of 120 s each, while S3 throttles a download and gives others: a prefix that splits says nothing of one object."""

HEAD_WITHIN_S = 20.0
"""How long S3 is asked whether it tells of an object that it does not give."""


class UnreadableError(Exception):
    """An object stands at `location` and cannot be read for good, because of `error`."""

    def __init__(self, location: Location, error: CallError) -> None:
        super().__init__(f"{location.uri}: {error}")
        self.location = location
        self.error = error


class ResultObjects:
    """The objects that results are, and failures.

    Args:
        rows: The open rows: a run of few rows has few objects to be refused.
        objects: Where they stand.
        clock: The run's clock.
        got: Objects that earlier processes of the run could read: S3 does not refuse all of them.
        budget: Bounds the bytes of responses.
        response_max_bytes: A larger response is not read.

    Attributes:
        got: Objects that could be read.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        objects: ObjectStore,
        clock: Clock,
        got: int,
        budget: ByteLimiter,
        response_max_bytes: int,
    ) -> None:
        self._rows = rows
        self._objects = objects
        self._clock = clock
        self.got = got
        self._budget = budget
        self._response_max_bytes = response_max_bytes
        self._denied = 0
        self._denied_since: float | None = None
        self._denied_at: set[Location] = set()
        self._unreadable = 0  # in a row

    async def get(self, location: Location, *, shown: bool) -> Object | CallError | None:
        """Return the object, the refusal where S3 refuses it, or None if it is not there.

        Args:
            location: Where to look.
            shown: It is an output that is said to be there, and a reply has shown that it stands at this place, or how
                the run's outputs are named.

        Raises:
            UnreadableError: It stands there and cannot be read.
            RunError: No object can be read.
        """
        got = self.got
        try:
            found = await self._download(location)
        except CallError as error:
            fault = object_fault(error)
            if fault is ObjectFault.ABSENT:
                return None
            if fault is ObjectFault.DENIED:
                # 403 may mean "missing" without s3:ListBucket; it is a refusal if no object was ever readable. Where
                # one is only thought to stand, it proves nothing: a resume may not know yet how outputs are named.
                if not (shown and self._all_denied(location)):
                    return error
            elif fault is ObjectFault.UNREADABLE or (
                fault is ObjectFault.UNANSWERED and (self.got > got or await self._answers(location))
            ):
                raise UnreadableError(location, error) from error
            raise RunError(f"{location.uri}: {remedy('s3:GetObject', error)}") from error
        self.got += 1
        self._unreadable = 0
        return found

    def _all_denied(self, location: Location) -> bool:
        """Take note of a refusal; return whether S3 refuses every object."""
        if self.got:
            return False
        now = self._clock.now()
        self._denied_since = now if self._denied_since is None else self._denied_since
        self._denied += 1
        self._denied_at.add(location)
        enough = self._denied >= DENIED_MAX * LOOKS and len(self._denied_at) >= min(
            DENIED_MAX, len(self._rows)
        )
        return enough and now - self._denied_since >= DENIED_S

    async def _download(self, location: Location) -> Object:
        download = await self._budget.enter()

        async def admit(size_bytes: int) -> None:
            if size_bytes > self._response_max_bytes:
                message = f"it has {size_bytes:,} bytes, and collect.response_max_bytes is {self._response_max_bytes:,}"
                raise CallError(Phase.REPLY, TOO_LARGE, message=message, status=200)
            await download.admit(size_bytes)

        try:
            for _ in range(THROTTLED_ROUNDS - 1):
                got = self.got
                try:
                    return await self._try(location, admit)
                except CallError as error:
                    if failure_kind(error) is not FailureKind.THROTTLED or self.got == got:
                        raise
            return await self._try(location, admit)
        finally:
            self._budget.leave(download)

    async def _try(self, location: Location, admit: Admit) -> Object:
        return await repeat_call(
            lambda: self._objects.get(location, admit=admit),
            clock=self._clock,
            least_tries=LEAST_TRIES,
            repeats=may_pass,
        )

    async def stands(self, location: Location) -> bool:
        """Whether S3 tells of the object, or lists it, though it refuses it."""
        return await self._answers(location) or await self._is_listed(location)

    async def _is_listed(self, location: Location) -> bool:
        """Whether a listing shows the object, as it does what may not be read."""
        try:
            async for page in self._objects.list(location.bucket, location.key):
                return any(info.location == location for info in page)
        except CallError:
            pass
        return False

    async def _answers(self, location: Location) -> bool:
        """Whether S3 tells of the object, though it cannot be read."""
        try:
            info = await repeat_call(
                lambda: self._objects.head(location), clock=self._clock, give_up_after_s=HEAD_WITHIN_S
            )
        except CallError:
            return False
        return info is not None

    def unreadable(self, location: Location, error: CallError) -> None:
        """Take note of an object that stands there and cannot be read.

        Raises:
            RunError: So many in a row could not be read, and none could, for a cause that they may share.
        """
        self._unreadable += is_shared(error)
        if self._unreadable >= UNREADABLE_MAX:
            raise RunError(
                f"{location.uri} and the {UNREADABLE_MAX - 1} objects before it cannot be read: s3:GetObject: "
                f"{explanation(error)} Then `fanout resume`."
            ) from error
