"""Fetches the result of each claimed row and ends the row: S3 is the truth, a notice only says where to look.

The pipeline starts several workers. A row whose notice S3 does not confirm goes back to where it was, to be settled
by a later notice, by the listing, or at its deadline: anyone who can publish to the topic can forge a notice.
"""

from __future__ import annotations

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.concurrency.channel import Channel
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX, failure_facts
from fanout.domain.object_faults import (
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
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Object, ObjectStore

LOOKS = 6
"""How often an announced object is looked for again: 0.1, 0.2, ... 3.2 s apart. S3 is strongly consistent, so
this only covers a notification that overtakes the write, which is not documented either way."""

OUTPUT_GRACE_S = 900.0
"""An announced output that is not there is waited for this long (the longest default invocation)."""

FAILURE_GRACE_S = 60.0
"""Whether every failure leaves an object is not documented: an unconfirmed one is believed after this long."""

DENIED_MAX = 3
"""So many different objects are refused, or all that there are, and none can be read: permission is lacking."""

UNREADABLE_MAX = 20
"""So many objects in a row that stand there and cannot be read, and none that can: what they share is at fault."""

LEAST_TRIES = 5
"""Of a download that fails in passing: one of a large object may take longer than the time after which others end."""

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
        trust: Believe failures that left no object.
        got: Objects that earlier processes of the run could read: S3 does not refuse all of them.
        most_bytes: Bound of the responses that are being downloaded, beside one.
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
        most_bytes: int,
        output_grace_s: float = OUTPUT_GRACE_S,
        failure_grace_s: float = FAILURE_GRACE_S,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._objects = objects
        self._clock = clock
        self._trust = trust
        self._output_grace_s = output_grace_s
        self._failure_grace_s = failure_grace_s
        self._got = got
        self._budget = ByteLimiter(most_bytes)
        self._denied = 0
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
        collected_at = self._clock.now()
        if notice.response is not None:
            self._flow.finish(
                row,
                status="succeeded",
                response=notice.response,
                response_content_type=notice.response_content_type,
                **_instants(notice, collected_at=collected_at, fetched_at=collected_at),
            )
            return
        places = self._rows.places
        found = await self._look(row, places.outputs, places.output(row))
        if found is None:
            self._unconfirmed(row, self._output_grace_s)
            return
        place, body = found
        self._rows.fetched(row, place)
        self._flow.finish(
            row,
            status="succeeded",
            response=body.body,
            response_content_type=body.content_type,
            **_instants(notice, collected_at=collected_at, fetched_at=self._clock.now()),
        )

    async def _failure(self, row: OpenRow, notice: Notice) -> None:
        collected_at = self._clock.now()
        places = self._rows.places
        place = places.failure(row)
        if place is not None:
            found = await self._look(row, places.failures, place)
            if found is None and not self._trust:
                self._unconfirmed(row, self._failure_grace_s)
                return
            text = found[1].body[:ERROR_TEXT_MAX].decode("utf-8", "replace") if found else None
            fetched_at = self._clock.now() if found else None
        else:  # the endpoint has no S3FailurePath: the message is all there is
            text, fetched_at = None, None
        facts = failure_facts(notice, text)
        if facts["status"] == "failed" and self._flow.send_after_failure(row, notice.failure_reason or text):
            return
        self._flow.finish(row, **facts, **_instants(notice, collected_at=collected_at, fetched_at=fetched_at))

    async def _look(
        self, row: OpenRow, paths: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        """Return the object where the reply said, or where the run's others stand, looking again for a while.

        Raises:
            UnreadableError: It stands there and cannot be read. A failure object that does says so instead: it proves
                the failure all the same.
        """
        try:
            return await self._find(row, paths, told)
        except UnreadableError as unreadable:
            if paths is not self._rows.places.failures:
                raise
            said = f"the model failed it; its failure object cannot be read ({unreadable.error.code})"
            return unreadable.location, Object(said.encode(), None, self._clock.now())

    async def _find(
        self, row: OpenRow, paths: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        expected = paths.expected(row.number, row.generation)
        places = tuple(dict.fromkeys(place for place in (told, expected) if place is not None))
        refusals: dict[Location, CallError] = {}
        for look in range(LOOKS):
            for location in places:
                shown = paths.confirmed or location != expected
                found = await self._get(location, shown=shown)
                if isinstance(found, Object):
                    return location, found
                if found is not None:
                    refusals[location] = found
            if places:
                await self._clock.sleep_until(self._clock.now() + 0.1 * 2**look)
        for location, refusal in refusals.items():
            # Where nothing was ever readable, the permission is missing, and no row is at fault.
            if self._got and await self._stands(row, location, told):
                raise UnreadableError(location, refusal)
        return None

    async def _get(self, location: Location, *, shown: bool) -> Object | CallError | None:
        """Return the object, the refusal where S3 refuses it, or None if it is not there.

        Args:
            location: Where to look.
            shown: A reply has shown that it stands there, or how the run's outputs are named.

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
            raise self._run_error(location, error) from error
        self._got += 1
        self._unreadable = 0
        return found

    def _all_denied(self, location: Location) -> bool:
        """Take note of a refusal; return whether S3 refuses every object."""
        if self._got:
            return False
        self._denied += 1
        self._denied_at.add(location)
        return self._denied >= DENIED_MAX * LOOKS and len(self._denied_at) >= min(DENIED_MAX, len(self._rows))

    async def _download(self, location: Location) -> Object:
        await self._budget.enter()
        found: Object | None = None
        try:
            found = await repeat_call(
                lambda: self._objects.get(location),
                clock=self._clock,
                least_tries=LEAST_TRIES,
                repeats=may_pass,
            )
            return found
        finally:
            self._budget.leave(None if found is None else len(found.body))

    async def _stands(self, row: OpenRow, location: Location, told: Location | None) -> bool:
        """Whether an object that is refused is there: the listing has shown it, or S3 tells of it."""
        listed = row.notice is not None and row.notice.noticed_by == "list" and location == told
        return listed or await self._answers(location)

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
            raise self._run_error(location, error) from error
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

    def _run_error(self, location: Location, error: CallError) -> RunError:
        return RunError(f"{location.uri}: {remedy('s3:GetObject', error)}")

    def _unconfirmed(self, row: OpenRow, grace_s: float) -> None:
        self.unfounded += 1
        self._flow.release(row, grace_s=grace_s)


def _instants(notice: Notice, *, collected_at: float, fetched_at: float | None) -> dict[str, object]:
    return {
        "received_at": notice.received_at,
        "completed_at": notice.completed_at,
        "notified_at": notice.notified_at,
        "collected_at": collected_at,
        "fetched_at": fetched_at,
        "noticed_by": notice.noticed_by,
    }
