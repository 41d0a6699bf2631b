"""Stage: takes messages from the queue and claims their rows; claimed rows leave for the fetch lane.

Started as several pollers by the pipeline, and cancelled when every row has ended. A message stays in the queue
until its row is durable (`ack`); one that is nobody's is deleted from a queue of our own and left in a shared one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fanout.concurrency.channel import Channel
from fanout.domain.notifications import Foreign, parse_message
from fanout.domain.records import Message, Notice
from fanout.domain.remedies import remedy
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import Claim, OpenRows
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
        shared: The queue serves others too: leave what is not ours.
        trust: Take responses out of notifications.
        acknowledge: Takes receipts of messages that nobody needs any more.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        open_rows: OpenRows,
        clock: Clock,
        claims: Channel[tuple[OpenRow, Notice]],
        acknowledge: Callable[[list[str]], None],
        shared: bool,
        trust: bool,
        wait_s: float = 20.0,
    ) -> None:
        self._queue = queue
        self._open_rows = open_rows
        self._clock = clock
        self._claims = claims
        self._acknowledge = acknowledge
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
                )
            except CallError as error:
                raise RunError(remedy("sqs:ReceiveMessage", error)) from error
            now = self._clock.now()
            useless: list[str] = []
            for message in messages:
                won = self._take(message, now, useless)
                if won is not None:
                    await self._claims.put(won)
            if useless:
                self._acknowledge(useless)

    def _take(self, message: Message, now: float, useless: list[str]) -> tuple[OpenRow, Notice] | None:
        """Return the row that `message` claims, if it claims one; add its receipt to `useless` if nobody needs it."""
        self._messages += 1
        notice = parse_message(
            message.body, run_id=self._open_rows.run_id, now=now, receipt=message.receipt, trust=self._trust
        )
        if isinstance(notice, Foreign):
            self._foreign[notice.reason] += 1
            _log.debug("message dropped: %s", notice.reason)
            if notice.ours or not self._shared:
                useless.append(message.receipt)
            return None
        claim = self._open_rows.claim(notice)
        if claim is Claim.WON:
            self._last_notice_at = now
            return self._open_rows.get(notice.row), notice
        if claim in {Claim.DONE, Claim.STRANGER}:
            self._foreign[claim.value] += 1
            useless.append(message.receipt)
        return None

    def statistics(self) -> PollStatistics:
        """Return a snapshot."""
        return PollStatistics(self._messages, self._last_notice_at, dict(self._foreign))
