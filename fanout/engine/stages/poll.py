"""Takes messages from the queue and claims their rows, whose results are then fetched.

The pipeline starts several pollers, and cancels them when every row has ended. A message stays in the queue until its
row is durable. A message that is of no open row is deleted from a queue of our own and left in a shared one.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from fanout.domain.notifications import Foreign, parse_message
from fanout.domain.records import Message
from fanout.domain.remedies import remedy
from fanout.engine.flow import Flow
from fanout.engine.open_row import Claim, OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Queue

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PollStatistics:
    """A snapshot.

    Attributes:
        messages: Messages received, repetitions included.
        last_notice_at: When a message last claimed a row; None if none has.
        foreign: Messages that were not about an open row, by reason.
    """

    messages: int
    last_notice_at: float | None
    foreign: dict[str, int]


class Poll:
    """What the pollers share.

    Args:
        queue: The queue.
        rows: The open rows.
        flow: Passes rows on to the other stages.
        clock: The run's clock.
        shared: The queue serves others too: leave what is not ours.
        trust: Take responses out of notifications.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        rows: OpenRows,
        flow: Flow,
        clock: Clock,
        shared: bool,
        trust: bool,
        wait_s: float = 20.0,
    ) -> None:
        self._queue = queue
        self._rows = rows
        self._flow = flow
        self._clock = clock
        self._shared = shared
        self._trust = trust
        self._wait_s = wait_s
        self._messages = 0
        self._last_notice_at: float | None = None
        self._foreign: Counter[str] = Counter()

    async def poller(self) -> None:
        """Poll for ever.

        Raises:
            RunError: The queue is gone or refused.
        """
        while True:
            try:
                messages = await retry_call(
                    lambda: self._queue.receive(max_messages=10, wait_s=self._wait_s),
                    operation="sqs:ReceiveMessage",
                    clock=self._clock,
                )
            except CallError as error:
                raise RunError(remedy("sqs:ReceiveMessage", error)) from error
            now = self._clock.now()
            useless: list[str] = []
            for message in messages:
                row = self._take(message, now, useless)
                if row is not None:
                    await self._flow.fetch(row)
            if useless:
                self._flow.acknowledge(useless)

    def _take(self, message: Message, now: float, useless: list[str]) -> OpenRow | None:
        """Return the row that `message` claims, if it claims one; add its receipt to `useless` if it is of no use."""
        self._messages += 1
        notice = parse_message(
            message.body, run_id=self._rows.run_id, now=now, receipt=message.receipt, trust=self._trust
        )
        if isinstance(notice, Foreign):
            self._foreign[notice.reason] += 1
            _log.debug("message dropped: %s", notice.reason)
            if notice.ours or not self._shared:
                useless.append(message.receipt)
            return None
        claim = self._rows.claim(notice)
        if claim is Claim.WON:
            self._last_notice_at = now
            return self._rows.get(notice.row)
        if claim in {Claim.DONE, Claim.STRANGER}:
            self._foreign[claim.value] += 1
            useless.append(message.receipt)
        return None

    def statistics(self) -> PollStatistics:
        """Return a snapshot."""
        return PollStatistics(self._messages, self._last_notice_at, dict(self._foreign))
