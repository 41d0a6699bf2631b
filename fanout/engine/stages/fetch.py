"""Fetches the result of each claimed row and ends the row: S3 is the truth, a notice only says where to look.

The pipeline starts several workers. A row whose notice S3 does not confirm goes back to where it was, to be settled
by a later notice, by the listing, or at its deadline: anyone who can publish to the topic can forge a notice.
"""

from __future__ import annotations

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.concurrency.channel import Channel
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX, failure_facts
from fanout.domain.object_faults import (
    TOO_LARGE,
    ObjectFault,
    error_code,
    explanation,
    is_shared,
    may_pass,
    object_fault,
)
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice
from fanout.domain.remedies import remedy
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import repeat_call
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Admit, Clock, Object, ObjectStore

LOOKS = 6
"""How often an announced object is looked for again: 0.1, 0.2, ... 3.2 s apart. S3 is strongly consistent, so
this only covers a notification that overtakes the write, which is not documented either way."""

DENIED_MAX = 3
DENIED_S = 120.0
"""Messages that say what is not so yet can be forged; by then a result stands, if any is going to."""
"""So many different objects are refused, or all that there are, and none can be read: permission is lacking."""

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


class Fetch:
    """What the fetch workers share.

    Args:
        rows: The open rows.
        flow: Passes rows on to the other stages.
        objects: Where results stand.
        clock: The run's clock.
        trust: Believe failures that left no object: the user says that no one else publishes to the topic.
        got: Objects that earlier processes of the run could read: S3 does not refuse all of them.
        budget: Bounds the bytes of responses.
        response_max_bytes: A larger response is not read: it fails its row.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        flow: Flow,
        objects: ObjectStore,
        clock: Clock,
        trust: bool,
        got: int = 0,
        budget: ByteLimiter,
        response_max_bytes: int,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._objects = objects
        self._clock = clock
        self._trust = trust
        self._got = got
        self._budget = budget
        self._response_max_bytes = response_max_bytes
        self._denied = 0
        self._denied_since: float | None = None
        self._denied_at: set[Location] = set()
        self._unreadable = 0  # in a row
        self.unfounded = 0
        """Notices that S3 did not confirm."""

    async def worker(self, claimed: Channel[OpenRow]) -> None:
        """Fetch for ever.

        Raises:
            RunError: S3 refuses every object.
        """
        while True:
            row = await claimed.get()
            await self._flow.room()
            try:
                await self.fetch(row)
            except UnreadableError as unreadable:
                self._end_unread(row, unreadable)

    async def fetch(self, row: OpenRow) -> None:
        """Find the row's result and finish it, or take back the claim."""
        notice = row.notice
        assert notice is not None, "a claimed row has the notice that claimed it"
        if notice.completed:
            await self._output(row, notice)
        else:
            await self._failure(row, notice)

    async def _output(self, row: OpenRow, notice: Notice) -> None:
        """Finish a row that is said to be completed, if its output is there."""
        collected_at = self._clock.now()
        if notice.response is not None:
            self._flow.found(row, None)
            self._flow.finish(
                row,
                status="succeeded",
                response=notice.response,
                response_content_type=notice.response_content_type,
                **_instants(notice, collected_at=collected_at, fetched_at=collected_at),
            )
            return
        places = self._rows.places
        found = await self._look(row, places.outputs, places.output(row), looks=_looks(row))
        if found is not None:
            self._succeed(row, notice, found, collected_at=collected_at)
            return
        failure = await self._look(row, places.failures, places.failure(row), looks=1)
        if failure is not None:
            self._fail(row, notice, failure[1], collected_at=collected_at)
        else:
            self._unconfirmed(row)

    async def _failure(self, row: OpenRow, notice: Notice) -> None:
        """Finish a row that is said to have failed or expired: by its output, whatever is said, or by its failure."""
        collected_at = self._clock.now()
        places = self._rows.places
        output = await self._look(row, places.outputs, places.output(row), looks=1)
        if output is None and (place := places.failure(row)) is not None:
            failure = await self._look(row, places.failures, place, looks=_looks(row))
            if failure is not None:
                self._fail(row, notice, failure[1], collected_at=collected_at)
                return
            # It may have come meanwhile.
            output = await self._look(row, places.outputs, places.output(row), looks=1)
        if output is not None:
            self._succeed(row, notice, output, collected_at=collected_at)
        elif self._trust:
            self._fail(row, notice, None, collected_at=collected_at)
        else:
            self._unconfirmed(row)

    def _succeed(
        self, row: OpenRow, notice: Notice, found: tuple[Location, Object], *, collected_at: float
    ) -> None:
        place, body = found
        self._rows.fetched(row, place)
        self._flow.found(row, body.modified_at)
        self._flow.finish(
            row,
            status="succeeded",
            response=body.body,
            response_content_type=body.content_type,
            **_instants(notice, collected_at=collected_at, fetched_at=self._clock.now()),
        )

    def _fail(self, row: OpenRow, notice: Notice, proof: Object | None, *, collected_at: float) -> None:
        """Finish a failed row, or have it sent again; without proof it may still be served, and that is counted."""
        text, fetched_at = None, None
        if proof is not None:
            text, fetched_at = proof.body[:ERROR_TEXT_MAX].decode("utf-8", "replace"), self._clock.now()
            self._flow.found(row, proof.modified_at)
        facts = failure_facts(notice, text)
        again = facts["status"] == "failed" and self._flow.send_after_failure(
            row, text or notice.failure_reason, resends=int(proof is None)
        )
        if not again:
            self._flow.finish(
                row, **facts, **_instants(notice, collected_at=collected_at, fetched_at=fetched_at)
            )

    async def _look(
        self, row: OpenRow, paths: OutputPaths, told: Location | None, *, looks: int
    ) -> tuple[Location, Object] | None:
        """Return the object where the reply said, or where the run's others stand, looking so many times.

        Raises:
            UnreadableError: It stands there and cannot be read. A failure object that does says so instead: it proves
                the failure all the same.
        """
        try:
            return await self._find(row, paths, told, looks=looks)
        except UnreadableError as unreadable:
            if paths is not self._rows.places.failures:
                raise
            said = f"the model failed it; its failure object cannot be read ({unreadable.error.code})"
            return unreadable.location, Object(said.encode(), None, self._clock.now())

    async def _find(
        self, row: OpenRow, paths: OutputPaths, told: Location | None, *, looks: int
    ) -> tuple[Location, Object] | None:
        expected = paths.expected(row.number, row.generation)
        places = tuple(dict.fromkeys(place for place in (told, expected) if place is not None))
        refusals: set[Location] = set()
        notice, is_output = row.notice, paths is self._rows.places.outputs
        assert notice is not None, "a claimed row has the notice that claimed it"
        announced = notice.completed == is_output  # the notice speaks of an object of this kind
        for look in range(looks):
            for location in places:
                shown = announced and is_output and (paths.confirmed or location != expected)
                found = await self._get(location, shown=shown)
                if isinstance(found, Object):
                    return location, found
                if found is not None:
                    refusals.add(location)
            if places and looks > 1:
                await self._clock.sleep_until(self._clock.now() + 0.1 * 2**look)
        for location in (place for place in places if place in refusals):
            # Where nothing was ever readable, the permission is missing, and no row is at fault.
            listed = announced and notice.noticed_by == "list" and location == told
            if self._got and (listed or await self._answers(location) or await self._is_listed(location)):
                # It may have come after it was refused as missing.
                again = await self._get(location, shown=False)
                if isinstance(again, Object):
                    return location, again
                if again is not None:
                    raise UnreadableError(location, again)
        return None

    async def _get(self, location: Location, *, shown: bool) -> Object | CallError | None:
        """Return the object, the refusal where S3 refuses it, or None if it is not there.

        Args:
            location: Where to look.
            shown: It is an output that is said to be there, and a reply has shown that it stands at this place, or how
                the run's outputs are named.

        Raises:
            UnreadableError: It stands there and cannot be read.
            RunError: No object can be read.
        """
        got = self._got
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
                fault is ObjectFault.UNANSWERED and (self._got > got or await self._answers(location))
            ):
                raise UnreadableError(location, error) from error
            raise RunError(f"{location.uri}: {remedy('s3:GetObject', error)}") from error
        self._got += 1
        self._unreadable = 0
        return found

    def _all_denied(self, location: Location) -> bool:
        """Take note of a refusal; return whether S3 refuses every object."""
        if self._got:
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
                message = f"it has {size_bytes:,} bytes, {self._response_max_bytes:,} are taken"
                raise CallError(Phase.REPLY, TOO_LARGE, message=message, status=200)
            await download.admit(size_bytes)

        try:
            for _ in range(THROTTLED_ROUNDS - 1):
                got = self._got
                try:
                    return await self._try(location, admit)
                except CallError as error:
                    if failure_kind(error) is not FailureKind.THROTTLED or self._got == got:
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

    def _end_unread(self, row: OpenRow, unreadable: UnreadableError) -> None:
        """End a row whose result stands in S3 and cannot be read; the outcome says where.

        Raises:
            RunError: Many objects in a row could not be read, and none could.
        """
        location, error = unreadable.location, unreadable.error
        self._unreadable += is_shared(error)
        if self._unreadable >= UNREADABLE_MAX:
            raise RunError(
                f"{location.uri} and the {UNREADABLE_MAX - 1} objects before it cannot be read: s3:GetObject: "
                f"{explanation(error)} Then `fanout resume`."
            ) from error
        notice = row.notice
        assert notice is not None, "a claimed row has the notice that claimed it"
        self._rows.fetched(row, location)
        self._flow.finish(
            row,
            status="failed",
            error_code=error_code(error),
            error_message=f"{location.uri}: {explanation(error)}",
            **_instants(notice, collected_at=self._clock.now(), fetched_at=None),
        )

    def _unconfirmed(self, row: OpenRow) -> None:
        self.unfounded += 1
        self._flow.release(row)


def _looks(row: OpenRow) -> int:
    """Return how often to look for what a notice announces.

    Once where an earlier notice of the row was not confirmed: forged ones could keep every worker looking.
    """
    return LOOKS if row.unconfirmed_notice is None else 1


def _instants(notice: Notice, *, collected_at: float, fetched_at: float | None) -> dict[str, object]:
    return {
        "received_at": notice.received_at,
        "completed_at": notice.completed_at,
        "notified_at": notice.notified_at,
        "collected_at": collected_at,
        "fetched_at": fetched_at,
        "noticed_by": notice.noticed_by,
    }
