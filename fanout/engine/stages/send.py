"""Stage: sends each intended row when it is due and says what came of it; accepted rows stay in the ledger.

Started as several workers by the pipeline. A worker has one row in hand and repeats in place what certainly was not
received, so concurrency bounds requests, and a storm of throttling holds the workers instead of piling rows up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable

from fanout.concurrency.channel import Channel
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.ids import output_extension, output_filename
from fanout.domain.records import Inline, Invocation, Notice, Outcome, Sendable, Status
from fanout.domain.remedies import remedy
from fanout.domain.retry_policy import backoff_s
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate
from fanout.errors import CallError, RunError
from fanout.failpoints import failpoint
from fanout.ports import Clock, Invoker

_log = logging.getLogger(__name__)
MAX_SENDS = 8
"""Sends of one row that end in a server error while others succeed: then it is the row that breaks the service."""

HOPELESS_TROUBLES = 20
"""Fewer say nothing: where one row at a time is sent and every second request fails, five in a row are common."""
HOPELESS_S = 120.0
"""Nothing was accepted for so long although every worker tries: the network, the region or the service is down."""


class Send:
    """What the invoke workers share.

    Args:
        endpoint: The endpoint's name.
        check_endpoint: Raises RunError when the endpoint is gone or not in service after the given instant. Whether
            a ValidationException is the row's fault or the run's cannot be told from its text: not documented.
        park: Takes a row that may have been received, and how long to wait before it is looked for.
        unknown_s: How long a result of such a row may take to show.
        keep: Takes a row that was not sent, because a notice has claimed it.
        finish: Takes a row that has ended here.
        release: Told each row whose payload need not be held for a re-send.
        claims: Takes a row whose notice came before its 202.
        stopping: Whether no row may be sent any more.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        invoker: Invoker,
        open_rows: OpenRows,
        journal_writer: JournalWriter,
        gate: Gate,
        clock: Clock,
        rng: random.Random,
        check_endpoint: Callable[[float], Awaitable[None]],
        defer: Callable[[OpenRow, Sendable, float], None],
        unknown_s: float,
        hold: Callable[[OpenRow, Sendable], None],
        finish: Callable[[OpenRow, Outcome], None],
        release: Callable[[OpenRow], None],
        claims: Channel[tuple[OpenRow, Notice]],
        stopping: Callable[[], bool],
    ) -> None:
        self._endpoint = endpoint
        self._invoker = invoker
        self._open_rows = open_rows
        self._journal_writer = journal_writer
        self._gate = gate
        self._clock = clock
        self._rng = rng
        self._check_endpoint = check_endpoint
        self._defer = defer
        self._unknown_s = unknown_s
        self._hold_claimed = hold
        self._finish = finish
        self._release = release
        self._claims = claims
        self._stopping = stopping
        self._chatty = _log.isEnabledFor(logging.DEBUG)
        self._troubled_since: float | None = None
        self._troubles = 0
        self._troubled_at = float("-inf")

    async def worker(self, sending: Channel[tuple[OpenRow, Sendable]]) -> None:
        """Send rows for ever.

        Raises:
            RunError: The endpoint, the credentials or the network refuse everything; names the remedy.
        """
        while True:
            entry, item = await sending.get()
            tries = 0
            while not await self._sent(entry, item, tries):
                tries += 1

    async def _sent(self, entry: OpenRow, item: Sendable, tries: int) -> bool:
        """Send the row once; return False if it is to be sent again under the same id."""
        due = await self._gate.wait(size_bytes=item.body_bytes)
        if not self._open_rows.may_send(entry):
            self._hold_claimed(
                entry, item
            )  # a notice claimed it while it waited: an earlier send had been taken
            return True
        if self._stopping():
            self._unsent(entry)
            return True
        inference_id = self._open_rows.send(entry, due=due, now=self._clock.now())
        try:
            reply = await self._invoker.invoke(self._invocation(entry, item, inference_id))
        except CallError as error:
            return await self._failed(entry, item, error, tries)
        failpoint("send.accepted")
        now = self._clock.now()
        if self._chatty:
            _log.debug("accepted", extra={"row": entry.row, "request_id": reply.request_id})
        self._troubled_since = None
        self._gate.pacer.accepted(now)
        notice = self._open_rows.accept(entry, reply, now=now)
        self._journal_writer.accepted(entry)
        self._release(entry)
        if notice is not None:
            await self._claims.put((entry, notice))
        return True

    def _invocation(self, entry: OpenRow, item: Sendable, inference_id: str) -> Invocation:
        return Invocation(
            endpoint=self._endpoint,
            inference_id=inference_id,
            output_extension=output_extension(self._open_rows.run_id, entry.row),
            filename=output_filename(entry.row, entry.generation),
            options=item.options,
            body=item.payload if isinstance(item, Inline) else None,
            input_location=None if isinstance(item, Inline) else item.location,
        )

    async def _failed(self, entry: OpenRow, item: Sendable, error: CallError, tries: int) -> bool:
        """Do what a failed send asks for; return False if the row is to be sent again under the same id."""
        verdict = failure_kind(error)
        now = self._clock.now()
        if self._chatty:  # not the message: AWS may quote the request in it
            said = {"row": entry.row, "request_id": error.request_id}
            _log.debug("not accepted (%s, %s)", error.code, verdict.name.lower(), extra=said)
        if verdict in {FailureKind.UNKNOWN, FailureKind.TRANSIENT}:
            await self._doubt(entry, item, error, verdict)
            return True
        notice = self._open_rows.unsend(entry)
        if verdict is FailureKind.THROTTLED:
            sent_at = entry.sent_at if entry.sent_at is not None else now
            self._gate.pacer.throttled(now, sent_at=sent_at, retry_after_s=error.retry_after_s)
        if notice is not None:
            await self._claims.put((entry, notice))
            self._hold_claimed(entry, item)
            return True
        if verdict is FailureKind.THROTTLED:
            return False
        if verdict is FailureKind.ROW:
            try:
                await self._check_endpoint(entry.sent_at if entry.sent_at is not None else now)
            except RunError:
                self._unsent(entry)
                raise
            if not self._open_rows.may_send(entry):  # meanwhile a notice of an earlier attempt has claimed it
                self._hold_claimed(entry, item)
            elif entry.doubted and entry.resends <= 1:  # that attempt may have been accepted: look once more
                self._defer(entry, item, self._unknown_s)
            else:
                self._end(entry, "rejected", error)
            return True
        if verdict is FailureKind.RUN:
            self._unsent(entry)
            raise RunError(remedy("sagemaker:InvokeEndpointAsync", error)) from error
        self._break_circuit(error, now)
        await self._clock.sleep_until(now + backoff_s(tries + 1, draw=self._rng.random()))
        return False

    def _unsent(self, entry: OpenRow) -> None:
        """Have it journalled that the row was not received, unless an earlier attempt of it may have been."""
        if not entry.doubted:
            self._journal_writer.unsent(entry)

    async def _doubt(self, entry: OpenRow, item: Sendable, error: CallError, verdict: FailureKind) -> None:
        """Put aside a row that may have been received: it is looked for before it is sent again."""
        now = self._clock.now()
        notice = self._open_rows.doubt(entry, now=now)
        if notice is not None:
            await self._claims.put((entry, notice))
            self._hold_claimed(entry, item)
            return
        wait_s = self._unknown_s
        self._break_circuit(error, now)
        if verdict is FailureKind.TRANSIENT:
            # It may have been enqueued before the service failed: sent again at once, it would be served and billed
            # twice, since no model has answered by then. The backoff keeps rows that failed together apart.
            wait_s += backoff_s(entry.sends, draw=self._rng.random())
            if entry.sends >= MAX_SENDS and entry.suspect:
                self._end(entry, "failed", error)
                return
        self._defer(entry, item, wait_s)

    def _end(self, entry: OpenRow, status: Status, error: CallError) -> None:
        outcome = self._open_rows.outcome(
            entry, status=status, error_code=error.code, error_message=error.message
        )
        self._finish(entry, outcome)

    def _break_circuit(self, error: CallError, now: float) -> None:
        """Raise once nothing has been accepted for long: a failing service must not fail a million rows."""
        if self._troubled_since is None or now - self._troubled_at > HOPELESS_S:  # a pause is no trouble
            self._troubled_since, self._troubles = now, 0
        self._troubled_at = now
        self._troubles += 1
        if self._troubles >= HOPELESS_TROUBLES and now - self._troubled_since > HOPELESS_S:
            raise RunError(remedy("sagemaker:InvokeEndpointAsync", error)) from error
