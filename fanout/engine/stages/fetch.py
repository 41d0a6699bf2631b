"""Stage: turns a claimed row into its outcome; S3 is the truth, a notice only says where to look now.

Started as several workers by the pipeline. A notice that S3 does not confirm gives its row back to the ledger,
to be settled by a later notice, by the listing, or at its deadline: whoever can publish to the topic can forge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.concurrency.channel import Channel
from fanout.domain.location import Location
from fanout.domain.notifications import ERROR_TEXT_MAX, failure_facts
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Notice, Outcome
from fanout.domain.remedies import remedy
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import retry_call
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


class Fetch:
    """What the fetch workers share.

    Args:
        finish: Takes a row that has ended.
        room: Returns when the sink takes more.
        again: Sends a row again that the model failed with this text, if that is allowed; tells whether.
        trust: Believe failures that left no object.
        got: Objects that earlier processes of the run could read: S3 does not refuse all of them.
        most_bytes: Bound of the responses that are being downloaded, beside one.
    """

    def __init__(
        self,
        *,
        open_rows: OpenRows,
        objects: ObjectStore,
        clock: Clock,
        finish: Callable[[OpenRow, Outcome], None],
        room: Callable[[], Awaitable[None]],
        again: Callable[[OpenRow, str | None], bool],
        trust: bool,
        got: int = 0,
        most_bytes: int,
        output_grace_s: float = OUTPUT_GRACE_S,
        failure_grace_s: float = FAILURE_GRACE_S,
    ) -> None:
        self._open_rows = open_rows
        self._objects = objects
        self._clock = clock
        self._finish = finish
        self._room = room
        self._again = again
        self._trust = trust
        self._output_grace_s = output_grace_s
        self._failure_grace_s = failure_grace_s
        self._got = got
        self._budget = ByteLimiter(most_bytes)
        self._denied = 0
        self.unfounded = 0
        """Notices that S3 did not confirm."""

    async def worker(self, claims: Channel[tuple[OpenRow, Notice]]) -> None:
        """Fetch for ever.

        Raises:
            RunError: S3 refuses every object.
        """
        while True:
            entry, notice = await claims.get()
            await self._room()
            await self.fetch(entry, notice)

    async def fetch(self, entry: OpenRow, notice: Notice) -> None:
        """Find the row's result and finish it, or give the row back."""
        if notice.completed:
            await self._output(entry, notice)
        else:
            await self._failure(entry, notice)

    async def _output(self, entry: OpenRow, notice: Notice) -> None:
        collected_at = self._clock.now()
        if notice.response is not None:
            outcome = self._open_rows.outcome(
                entry,
                status="succeeded",
                response=notice.response,
                response_content_type=notice.response_content_type,
                **_instants(notice, collected_at=collected_at, fetched_at=collected_at),
            )
            self._finish(entry, outcome)
            return
        found = await self._look(entry, self._open_rows.outputs, self._open_rows.output(entry))
        if found is None:
            self._give_back(entry, notice, self._output_grace_s)
            return
        place, body = found
        entry.output = self._open_rows.outputs.shorten(place, entry.row, entry.generation)
        outcome = self._open_rows.outcome(
            entry,
            status="succeeded",
            response=body.body,
            response_content_type=body.content_type,
            **_instants(notice, collected_at=collected_at, fetched_at=self._clock.now()),
        )
        self._finish(entry, outcome)

    async def _failure(self, entry: OpenRow, notice: Notice) -> None:
        collected_at = self._clock.now()
        told = self._open_rows.failure(entry)
        if told is not None:
            found = await self._look(entry, self._open_rows.failures, told)
            if found is None and not self._trust:
                self._give_back(entry, notice, self._failure_grace_s)
                return
            text = found[1].body[:ERROR_TEXT_MAX].decode("utf-8", "replace") if found else None
            fetched_at = self._clock.now() if found else None
        else:  # the endpoint has no S3FailurePath: the message is all there is
            text, fetched_at = None, None
        facts = failure_facts(notice, text)
        if facts["status"] == "failed" and self._again(entry, notice.failure_reason or text):
            return
        instants = _instants(notice, collected_at=collected_at, fetched_at=fetched_at)
        self._finish(entry, self._open_rows.outcome(entry, **facts, **instants))

    async def _look(
        self, entry: OpenRow, layout: OutputPaths, told: Location | None
    ) -> tuple[Location, Object] | None:
        """Return the object where the reply said, or where the run's others stand, looking again for a while."""
        expected = layout.expected(entry.row, entry.generation)
        if (
            told is not None
            and (found := await self._get(told, shown=layout.confirmed or told != expected)) is not None
        ):
            return told, found
        places = tuple(dict.fromkeys(place for place in (told, expected) if place is not None))
        for look in range(LOOKS):
            for location in places:
                shown = layout.confirmed or location != expected
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
            found = await retry_call(lambda: self._objects.get(location), operation="s3:GetObject")
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

    def _give_back(self, entry: OpenRow, notice: Notice, grace_s: float) -> None:
        self.unfounded += 1
        if not notice.completed:
            entry.unconfirmed_notice = notice
        self._open_rows.release(entry, deadline=self._clock.now() + grace_s)


def _instants(notice: Notice, *, collected_at: float, fetched_at: float | None) -> dict[str, object]:
    return {
        "received_at": notice.received_at,
        "completed_at": notice.completed_at,
        "notified_at": notice.notified_at,
        "collected_at": collected_at,
        "fetched_at": fetched_at,
        "noticed_by": notice.noticed_by,
    }
