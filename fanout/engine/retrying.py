"""Repeats a call to AWS that is harmless to repeat, with jittered backoff."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from fanout.domain.failures import FailureKind, failure_kind
from fanout.domain.remedies import remedy
from fanout.domain.retry_policy import backoff_s
from fanout.errors import CallError, RunError
from fanout.ports import Clock

T = TypeVar("T")

IDEMPOTENT_RETRY = frozenset(
    {
        FailureKind.THROTTLED,
        FailureKind.TRANSIENT,
        FailureKind.NOT_SENT,
        FailureKind.UNKNOWN,
        FailureKind.CREDENTIALS,
    }
)


def retriable(error: BaseException) -> bool:
    """Whether a call whose repetition does no harm should be repeated after `error`."""
    return isinstance(error, CallError) and failure_kind(error) in IDEMPOTENT_RETRY


async def retry_call(
    call: Callable[[], Awaitable[T]],
    *,
    operation: str,
    clock: Clock,
    give_up_after_s: float = 120.0,
    retrying: Callable[[CallError], None] | None = None,
) -> T:
    """Return what `call` returns, repeating it with full jitter while that can help; for harmless repetitions.

    Args:
        call: Makes one attempt.
        operation: AWS's name of it (`s3:PutObject`), for the error's text.
        clock: The run's clock.
        give_up_after_s: No new attempt later than this many seconds after the first.
        retrying: Called with the first failure, if the call is going to be repeated.

    Raises:
        RunError: The service will not answer: credentials, queue or bucket are wrong, or it still failed at the
            end; with the remedy.
        CallError: The reply is for the caller to judge: missing, refused (403 may mean missing), out of place.
    """
    try:
        return await repeat_call(call, clock=clock, give_up_after_s=give_up_after_s, retrying=retrying)
    except CallError as error:
        raise _judged(operation, error) from error


async def repeat_call(
    call: Callable[[], Awaitable[T]],
    *,
    clock: Clock,
    give_up_after_s: float = 120.0,
    least_tries: int = 1,
    repeats: Callable[[BaseException], bool] = retriable,
    retrying: Callable[[CallError], None] | None = None,
) -> T:
    """Return what `call` returns, repeated as by `retry_call`; for a caller who judges every failure.

    Args:
        call: Makes one attempt.
        clock: The run's clock.
        give_up_after_s: No new attempt later than this many seconds after the first,
        least_tries: unless fewer attempts than these were made: one may take longer.
        repeats: Whether a failure may pass.
        retrying: Called with the first failure, if the call is going to be repeated.

    Raises:
        CallError: The last failure.
    """
    started = clock.now()
    try:  # tenacity costs 13-19 us even when nothing fails
        return await call()
    except CallError as error:
        first = error

    def too_late(tries: int, pause_s: float) -> bool:
        return tries >= least_tries and clock.now() + pause_s - started > give_up_after_s

    pause_s = _pause_s(1, first)
    if not repeats(first) or too_late(1, pause_s):
        raise first
    if retrying is not None:
        retrying(first)
    await clock.sleep(pause_s)
    attempts = AsyncRetrying(
        retry=retry_if_exception(repeats),
        stop=lambda state: too_late(state.attempt_number + 1, state.upcoming_sleep),
        wait=lambda state: _pause_s(state.attempt_number + 1, _error_of(state)),
        sleep=clock.sleep,
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            return await call()
    raise AssertionError("unreachable: tenacity returns or raises")


def failed_call(error: CallError | RunError) -> CallError:
    """Return the failed call that `retry_call` raised `error` for.

    Raises:
        RunError: `error`, if it was no failed call.
    """
    call = error if isinstance(error, CallError) else error.__cause__
    if isinstance(call, CallError):
        return call
    raise error


def _judged(operation: str, error: CallError) -> CallError | RunError:
    """Return the error to raise: one that the caller can judge by itself, or one that ends the run."""
    judges = error.missing or error.code in {
        "AccessDenied", "AccessDeniedException", "403", "Forbidden", "NoSuchBucket",
    }  # fmt: skip
    if retriable(error) or (failure_kind(error) is FailureKind.RUN and not judges):
        return RunError(remedy(operation, error))
    return error


def _pause_s(tries: int, error: CallError) -> float:
    # The smallest draw is not 0: every repetition waits.
    jittered = backoff_s(tries, draw=1.0 - random.random(), cap_s=10.0)  # noqa: S311 - jitter
    return max(jittered, min(error.retry_after_s or 0.0, 60.0))


def _error_of(state: RetryCallState) -> CallError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, CallError), "only CallErrors are retried"
    return error
