"""Takes messages from the queue and claims their rows, whose results are then fetched.

The pipeline starts several pollers, and cancels them when every row has ended. A message stays in the queue until its
row is durable. A message that is of no open row is deleted from a queue of our own and left in a shared one. Messages
are hints: a queue that is lost under way ends the polling and not the run, whose results are then found by listing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique

from fanout.domain.failures import MISSING, NOT_PERMITTED, FailureKind, failure_kind
from fanout.domain.notifications import Foreign, parse_message
from fanout.domain.records import Message
from fanout.domain.remedies import remedy
from fanout.engine.flow import Flow
from fanout.engine.open_row import Claim, OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.retrying import IDEMPOTENT_RETRY, failed_call, retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Queue

_log = logging.getLogger(__name__)
PASSING = IDEMPOTENT_RETRY - {FailureKind.CREDENTIALS}  # those that have expired open no bucket either


@unique
class Trouble(Enum):
    """What it means for the run that its queue could not be read, repetitions included."""

    STOP = "stop"
    """Nothing else would work either, or this role never could read it: the run ends."""
    SILENT = "silent"
    """The service does not answer now: it is asked again, and silence has S3 looked into."""
    LOST = "lost"
    """It is not to be had any more."""


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
        exclusive: No other process ever sends rows of this run. Where one may have taken it over, a message of a send
            that is not known here is left: it may be of the other's.
        warn: Called with what a person should know.
        lost: Called once when the queue cannot be read any more: results are to be found by listing.
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
        exclusive: bool = True,
        warn: Callable[[str], None],
        lost: Callable[[], None],
        wait_s: float = 20.0,
    ) -> None:
        self._queue = queue
        self._rows = rows
        self._flow = flow
        self._clock = clock
        self._shared = shared
        self._trust = trust
        self._exclusive = exclusive
        self._warn = warn
        self._lost = lost
        self._wait_s = wait_s
        self._heard = self._is_lost = False
        self._messages = 0
        self._last_notice_at: float | None = None
        self._foreign: Counter[str] = Counter()

    async def poller(self) -> None:
        """Poll until cancelled, or until the queue is lost.

        Raises:
            RunError: The queue was refused from the first call on, or the credentials are.
        """
        while not self._is_lost:
            try:
                messages = await retry_call(
                    lambda: self._queue.receive(max_messages=10, wait_s=self._wait_s),
                    operation="sqs:ReceiveMessage",
                    clock=self._clock,
                )
            except (CallError, RunError) as error:
                self._judge(failed_call(error))
                continue
            self._heard = True
            now = self._clock.now()
            useless: list[str] = []
            for message in messages:
                row = self._take(message, now, useless)
                if row is not None:
                    await self._flow.fetch(row)
            if useless:
                self._flow.acknowledge(useless)

    def _judge(self, error: CallError) -> None:
        """Return if the run goes on although the queue could not be read; say so once.

        Raises:
            RunError: It does not.
        """
        found = trouble(error, heard=self._heard)
        if found is Trouble.STOP:
            raise RunError(remedy("sqs:ReceiveMessage", error)) from error
        if found is Trouble.SILENT:
            self._warn(f"the queue does not answer ({error.code}): S3 is looked into meanwhile")
        elif not self._is_lost:
            self._is_lost = True
            gone = "is gone" if error.code in MISSING else "is refused from now on"
            self._warn(f"the queue {gone} ({error.code}): results are found by listing the output path")
            self._lost()

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
            if claim is Claim.DONE or self._exclusive:
                useless.append(message.receipt)
        return None

    def statistics(self) -> PollStatistics:
        """Return a snapshot."""
        return PollStatistics(self._messages, self._last_notice_at, dict(self._foreign))


def trouble(error: CallError, *, heard: bool) -> Trouble:
    """Return what it means that the queue could not be read; `heard` tells whether it was read before. Pure."""
    kind = failure_kind(error)
    if error.code in MISSING:
        return Trouble.LOST
    if kind in PASSING:
        return Trouble.SILENT
    # A right or a KMS key that is taken away takes one queue; keys that AWS does not know take everything.
    of_queue = error.code in NOT_PERMITTED or kind is FailureKind.ROW
    return Trouble.LOST if heard and of_queue else Trouble.STOP
