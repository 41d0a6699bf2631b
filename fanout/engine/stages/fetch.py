"""Fetches the result of each claimed row and ends the row: S3 is the truth, a notice only says where to look.

The pipeline starts several workers. A row whose notice S3 does not confirm goes back to where it was, to be settled
by a later notice, by the listing, or at its deadline: anyone who can publish to the topic can forge a notice.
"""

from __future__ import annotations

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.concurrency.channel import Channel
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX, failure_facts
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice
from fanout.domain.remedies import remedy
from fanout.engine.flow import Flow
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Object, ObjectStore

LOOKS = 6
"""How often an announced object is looked for again: 0.1, 0.2, ... 3.2 s apart. S3 is strongly consistent, so
this only covers a notification that overtakes the write, which is not documented either way."""

DENIED_MAX = 3


class Fetch:
    """What the fetch workers share.

    Args:
        rows: The open rows.
        flow: Passes rows on to the other stages.
        objects: Where results stand.
        clock: The run's clock.
        trust: Believe failures that left no object: the user says that no one else publishes to the topic.
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
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._objects = objects
        self._clock = clock
        self._trust = trust
        self._got = got
        self._budget = ByteLimiter(most_bytes)
        self._denied = 0
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
            await self.fetch(row)

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
        found = await self._seek(row, places.outputs, places.output(row))
        if found is not None:
            self._succeed(row, notice, found, collected_at=collected_at)
            return
        failure = await self._peek(row, places.failures, places.failure(row))
        if failure is not None:
            self._fail(row, notice, failure[1], collected_at=collected_at)
        else:
            self._unconfirmed(row)

    async def _failure(self, row: OpenRow, notice: Notice) -> None:
        """Finish a row that is said to have failed or expired: by its output, whatever is said, or by its failure."""
        collected_at = self._clock.now()
        places = self._rows.places
        output = await self._peek(row, places.outputs, places.output(row))
        if output is None and (place := places.failure(row)) is not None:
            failure = await self._seek(row, places.failures, place)
            if failure is not None:
                self._fail(row, notice, failure[1], collected_at=collected_at)
                return
            output = await self._peek(row, places.outputs, places.output(row))  # it may have come meanwhile
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

    async def _seek(
        self, row: OpenRow, paths: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        """Return the object that a notice announces, looking again for a while.

        Once only where an earlier notice of the row was not confirmed: anyone who may publish to the topic could keep
        every worker looking.
        """
        look = self._look if row.unconfirmed_notice is None else self._peek
        return await look(row, paths, told)

    async def _peek(
        self, row: OpenRow, paths: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        """Return the object if it is there, looking once: that it is missing is what is to be expected."""
        expected = paths.expected(row.number, row.generation)
        for location in dict.fromkeys(place for place in (told, expected) if place is not None):
            found = await self._get(location, shown=False)
            if isinstance(found, Object):
                return location, found
        return None

    async def _look(
        self, row: OpenRow, paths: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        """Return the object where the reply said, or where the run's others stand, looking again for a while."""
        expected = paths.expected(row.number, row.generation)
        if (
            told is not None
            and (found := await self._get(told, shown=paths.confirmed or told != expected)) is not None
        ):
            return told, found
        places = tuple(dict.fromkeys(place for place in (told, expected) if place is not None))
        for look in range(LOOKS):
            for location in places:
                shown = paths.confirmed or location != expected
                if (found := await self._get(location, shown=shown)) is not None:
                    return location, found
            if places:
                await self._clock.sleep_until(self._clock.now() + 0.1 * 2**look)
        return None

    async def _get(self, location: Location, *, shown: bool) -> Object | None:
        """Return the object; `shown`: a reply has shown that it stands there, or how the run's outputs are named."""
        await self._budget.enter()
        found: Object | None = None
        try:
            found = await retry_call(
                lambda: self._objects.get(location), operation="s3:GetObject", clock=self._clock
            )
        except CallError as error:
            if error.status not in {
                403,
                404,
            }:  # 404 is also a bucket that a reply named and that is not there
                raise RunError(f"{location.uri}: {remedy('s3:GetObject', error)}") from error
            # 403 may mean "missing" without s3:ListBucket; it is a refusal if no object was ever readable. Where an
            # object is only thought to stand, it proves nothing: a resume may not know yet how outputs are named.
            if error.status == 403 and shown:
                self._denied += 1
                if self._got == 0 and self._denied >= DENIED_MAX * LOOKS:
                    raise RunError(f"{location.uri}: {remedy('s3:GetObject', error)}") from error
            return None
        finally:
            self._budget.leave(None if found is None else len(found.body))
        self._got += 1
        return found

    def _unconfirmed(self, row: OpenRow) -> None:
        self.unfounded += 1
        self._flow.release(row)


def _instants(notice: Notice, *, collected_at: float, fetched_at: float | None) -> dict[str, object]:
    return {
        "received_at": notice.received_at,
        "completed_at": notice.completed_at,
        "notified_at": notice.notified_at,
        "collected_at": collected_at,
        "fetched_at": fetched_at,
        "noticed_by": notice.noticed_by,
    }
