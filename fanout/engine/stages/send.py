"""Sends each intended row when it is due, and moves the row on by what the reply says.

The pipeline starts several workers. A worker has one row in hand and repeats in place what certainly was not received,
so concurrency bounds requests, and a storm of throttling holds the workers instead of piling rows up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable

from fanout.concurrency.channel import Channel
from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.ids import output_extension, output_filename
from fanout.domain.records import Inline, Invocation, Sendable, Status, Upload
from fanout.domain.remedies import remedy
from fanout.domain.retry_policy import backoff_s
from fanout.engine.flow import Clearance, Flow
from fanout.engine.inline_support import HOPELESS_ROWS, InlineSupport, Refusal
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate
from fanout.errors import NOT_RELEASED, CallError, RunError
from fanout.failpoints import failpoint
from fanout.ports import Clock, Invoker

_log = logging.getLogger(__name__)
MAX_SENDS = 8
"""Sends of one row that end in a server error while others succeed: then it is the row that breaks the service."""

HOPELESS_TROUBLES = 20
"""Fewer say nothing: where one row at a time is sent and every second request fails, five in a row are common."""
HOPELESS_S = 120.0
"""Nothing was accepted for so long although every worker tries: the network, the region or the service is down."""

_NO_INLINE = " (no payload was accepted in the request yet; if this region takes none, name --input-prefix)"


class Send:
    """What the workers that send share.

    Args:
        endpoint: The endpoint's name.
        invoker: Makes the requests.
        rows: The open rows.
        flow: Passes rows on to the other stages.
        journal: Records what was accepted, and what was certainly not received.
        gate: Waits until a request is due.
        clearance: Says whether this process may send; None if it always may.
        clock: The run's clock.
        rng: Draws the jitter.
        check_endpoint: Raises RunError when the endpoint is gone or not in service after the given instant. Whether
            a ValidationException is the row's fault or the run's does not follow from its text: not documented.
        support: What is known of the endpoint and payloads in the request.
        via_s3: Returns how a row's payload travels if not in the request; None if it may not.
        warn: Called with what a person should know.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        invoker: Invoker,
        rows: OpenRows,
        flow: Flow,
        journal: JournalWriter,
        gate: Gate,
        clearance: Clearance | None,
        clock: Clock,
        rng: random.Random,
        check_endpoint: Callable[[float], Awaitable[None]],
        support: InlineSupport,
        via_s3: Callable[[int, Inline], Upload | None],
        warn: Callable[[str], None],
    ) -> None:
        self._endpoint = endpoint
        self._invoker = invoker
        self._rows = rows
        self._flow = flow
        self._journal = journal
        self._gate = gate
        self._clearance = clearance
        self._clock = clock
        self._rng = rng
        self._check_endpoint = check_endpoint
        self._support = support
        self._via_s3 = via_s3
        self._warn = warn
        self._verbose = _log.isEnabledFor(logging.DEBUG)
        self._troubled_since: float | None = None
        self._troubles = 0
        self._troubled_at = float("-inf")

    async def worker(self, sending: Channel[OpenRow]) -> None:
        """Send rows for ever.

        Raises:
            RunError: The endpoint, the credentials or the network refuse everything; names the remedy.
        """
        while True:
            row = await sending.get()
            tries = 0
            while not await self._sent(row, tries):
                tries += 1

    async def _sent(self, row: OpenRow, tries: int) -> bool:
        """Send the row once; return False if the caller should send it again under the same id."""
        item = row.item
        if item is None or isinstance(item, Upload):  # it has ended while it waited
            return True
        due = await self._gate.wait(size_bytes=item.body_bytes)
        if self._clearance is not None and not self._clearance.holds():
            await self._cleared(self._clearance, size_bytes=item.body_bytes)
        if not self._rows.may_send(row):
            return True  # a notice claimed it while it waited: an earlier send had been taken
        if self._flow.stopping:
            self._unsent(row)
            return True
        inference_id = self._rows.send(row, due=due, now=self._clock.now())
        try:
            reply = await self._invoker.invoke(self._invocation(row, item, inference_id))
        except CallError as error:
            return await self._failed(row, error, tries)
        failpoint("send.accepted")
        now = self._clock.now()
        if self._verbose:
            _log.debug("accepted", extra={"row": row.number, "request_id": reply.request_id})
        self._troubled_since = None
        self._gate.pacer.accepted(now, sent_at=row.sent_at)
        if not self._support.is_proven:
            self._learn(row, item)
        claimed = self._rows.accept(row, reply, now=now)
        self._journal.accepted(row)
        if claimed:
            await self._flow.fetch(row)
        return True

    async def _cleared(self, clearance: Clearance, *, size_bytes: int) -> None:
        """Return once this process may send, in the request's turn: turns that passed meanwhile would come at once."""
        while True:
            await clearance.wait()
            await self._gate.wait(size_bytes=size_bytes)
            if clearance.holds():
                return

    def _invocation(self, row: OpenRow, item: Sendable, inference_id: str) -> Invocation:
        return Invocation(
            endpoint=self._endpoint,
            inference_id=inference_id,
            output_extension=output_extension(self._rows.run_id, row.number),
            filename=output_filename(row.number, row.generation),
            options=item.options,
            body=item.payload if isinstance(item, Inline) else None,
            input_location=None if isinstance(item, Inline) else item.location,
        )

    async def _failed(self, row: OpenRow, error: CallError, tries: int) -> bool:
        """Act on a failed send; return False if the caller should send the row again under the same id."""
        kind = failure_kind(error)
        now = self._clock.now()
        if self._verbose:  # not the message: AWS may quote the request in it
            said = {"row": row.number, "request_id": error.request_id}
            _log.debug("not accepted (%s, %s)", error.code, kind.name.lower(), extra=said)
        if kind in {FailureKind.UNKNOWN, FailureKind.TRANSIENT}:
            await self._doubt(row, error, kind)
            return True
        claimed = self._rows.unsend(row)
        if kind is FailureKind.THROTTLED:
            sent_at = row.sent_at if row.sent_at is not None else now
            self._gate.pacer.throttled(now, sent_at=sent_at, retry_after_s=error.retry_after_s)
        if claimed:
            await self._flow.fetch(row)
            return True
        if kind is FailureKind.THROTTLED or error.code == NOT_RELEASED:
            return False
        if kind is FailureKind.ROW:
            self._troubled_since = None  # the service answers
            await self._refused(row, error)
            return True
        if kind is FailureKind.RUN:
            self._unsent(row)
            raise RunError(remedy("sagemaker:InvokeEndpointAsync", error)) from error
        self._break_circuit(error, now)
        await self._clock.sleep_until(now + backoff_s(tries + 1, draw=self._rng.random()))
        return False

    async def _refused(self, row: OpenRow, error: CallError) -> None:
        """End a row that the endpoint refuses, unless the endpoint has gone or may have taken the row before."""
        try:
            await self._check_endpoint(row.sent_at if row.sent_at is not None else self._clock.now())
        except RunError:
            self._unsent(row)
            raise
        if not self._rows.may_send(row):  # meanwhile a notice of an earlier attempt has claimed it
            return
        if isinstance(row.item, Inline) and self._goes_on(row, row.item, error):
            return
        if row.state is State.REINTENDED and row.resends <= 1:
            self._flow.doubt(row)  # that attempt may have been accepted: look once more
        else:
            doubt = isinstance(row.item, Inline) and not self._support.is_proven
            self._end(row, "rejected", error, hint=_NO_INLINE if doubt else "")

    def _goes_on(self, row: OpenRow, item: Inline, error: CallError) -> bool:
        """Whether a row that was refused in the request is sent again, via S3 or in a while: see `InlineSupport`.

        Raises:
            RunError: All such rows were refused, and there is no other way.
        """
        otherwise = self._via_s3(row.number, item)
        refusal = self._support.refused(row.number, has_way_round=otherwise is not None)
        if refusal is Refusal.ROW:
            return False
        self._unsent(row)
        if refusal is Refusal.HOPELESS:
            raise RunError(
                f"the endpoint refused the first {HOPELESS_ROWS} payloads that were sent in the request and accepted "
                f"none ({error}). If this region takes none, they go via S3: name a place for them (--input-prefix "
                "s3://bucket/prefix) and leave --transport at auto"
            ) from error
        self._flow.refuse_inline(row, otherwise)
        return True

    def _learn(self, row: OpenRow, item: Sendable) -> None:
        """Note which way a payload was accepted, while it is not known that the request may carry it."""
        if isinstance(item, Inline):
            self._support.accepted_inline()
        elif self._support.accepted_via_s3(row.number):
            self._warn(
                "the endpoint refuses payloads in the request and takes them via S3: every payload goes via S3 from "
                "now on (--transport s3 says so at once)"
            )

    def _unsent(self, row: OpenRow) -> None:
        """Have it journalled that the row was not received, unless an earlier attempt of it may have been."""
        if row.state is State.INTENDED:
            self._journal.unsent(row)

    async def _doubt(self, row: OpenRow, error: CallError, kind: FailureKind) -> None:
        """Put aside a row that may have been received: it is looked for before it is sent again."""
        now = self._clock.now()
        if self._rows.doubt(row, now=now):
            await self._flow.fetch(row)
            return
        more_s = 0.0
        self._break_circuit(error, now)
        if kind is FailureKind.TRANSIENT:
            # It may have been enqueued before the service failed: sent again at once, it would be served and billed
            # twice, since no model has answered by then. The backoff keeps rows that failed together apart.
            more_s = backoff_s(row.sends, draw=self._rng.random())
            if row.sends >= MAX_SENDS and row.suspect:
                self._end(row, "failed", error)
                return
        self._flow.doubt(row, more_s=more_s)

    def _end(self, row: OpenRow, status: Status, error: CallError, *, hint: str = "") -> None:
        self._flow.finish(row, status=status, error_code=error.code, error_message=f"{error.message}{hint}")

    def _break_circuit(self, error: CallError, now: float) -> None:
        """Raise once nothing has been accepted for long: a failing service must not fail a million rows."""
        if self._troubled_since is None or now - self._troubled_at > HOPELESS_S:  # a pause is no trouble
            self._troubled_since, self._troubles = now, 0
        self._troubled_at = now
        self._troubles += 1
        if self._troubles >= HOPELESS_TROUBLES and now - self._troubled_since > HOPELESS_S:
            raise RunError(remedy("sagemaker:InvokeEndpointAsync", error)) from error
