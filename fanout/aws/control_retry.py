"""Repeats a control call a few times while the service fails; for calls that may come twice.

`open_run_queue` undoes itself when one of its steps fails, and SQS refuses the queue's name for a minute after
that, so a passing failure must not end it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from fanout.aws.timeouts import bounded
from fanout.domain.failures import FailureKind, failure_kind
from fanout.errors import CallError

ATTEMPTS = 4
LONGEST_WAIT_S = 5.0
_PASSING = frozenset(
    {FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.NOT_SENT, FailureKind.UNKNOWN}
)


async def patiently(call: Callable[[], Awaitable[Any]], *, timeout_s: float) -> Any:
    """Return what `call` answers.

    Args:
        call: Makes one attempt.
        timeout_s: Bound of one attempt as a whole.

    Raises:
        CallError: Of the last attempt, or of the first that says something about the request itself.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(passing),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_S),
        sleep=anyio.sleep,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            async with bounded(timeout_s):
                return await call()
    raise AssertionError("unreachable: tenacity returns or raises")


def passing(error: BaseException) -> bool:
    """Whether `error` is about the way to the service or its load, not about the request."""
    return isinstance(error, CallError) and failure_kind(error) in _PASSING
