"""Fetches the result of each claimed row and ends the row: S3 is the truth, a notice only says where to look.

The pipeline starts several workers. A row whose notice S3 does not confirm goes back to where it was, to be settled
by a later notice, by the listing, or at its deadline: anyone who can publish to the topic can forge a notice.
"""

from __future__ import annotations

from fanout.concurrency.channel import Channel
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX, failure_facts
from fanout.domain.object_faults import error_code, explanation
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.result_objects import LOOKS, ResultObjects, UnreadableError
from fanout.ports import Clock, Object


class Fetch:
    """What the fetch workers share.

    Args:
        rows: The open rows.
        flow: Passes rows on to the other stages.
        objects: Where results stand.
        clock: The run's clock.
        trust: Believe failures that left no object: the user says that no one else publishes to the topic.
    """

    def __init__(
        self,
        *,
        rows: OpenRows,
        flow: Flow,
        objects: ResultObjects,
        clock: Clock,
        trust: bool,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._objects = objects
        self._clock = clock
        self._trust = trust
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
        for look in range(looks if places else 0):
            if look:
                await self._clock.sleep_until(self._clock.now() + 0.05 * 2**look)
            for location in places:
                shown = announced and is_output and (paths.confirmed or location != expected)
                found = await self._objects.get(location, shown=shown)
                if isinstance(found, Object):
                    return location, found
                if found is not None:
                    refusals.add(location)
        for location in (place for place in places if place in refusals):
            # Where nothing was ever readable, the permission is missing, and no row is at fault.
            listed = announced and notice.noticed_by == "list" and location == told
            if self._objects.got and (listed or await self._objects.stands(location)):
                # It may have come after it was refused as missing.
                again = await self._objects.get(location, shown=False)
                if isinstance(again, Object):
                    return location, again
                if again is not None:
                    raise UnreadableError(location, again)
        return None

    def _end_unread(self, row: OpenRow, unreadable: UnreadableError) -> None:
        """End a row whose result stands in S3 and cannot be read; the outcome says where.

        Raises:
            RunError: Many objects in a row could not be read, and none could.
        """
        location, error = unreadable.location, unreadable.error
        self._objects.unreadable(location, error)
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
