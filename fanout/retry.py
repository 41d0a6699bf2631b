"""What a failed call means and what to do about it: one pure table, one backoff, one loop for idle calls.

The invoke stage keeps its own loop, because a row's retries are counted and journalled; everything around it
(S3, SQS, control calls) goes through `persist`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from fanout.errors import CallError, Phase, RunError
from fanout.remedies import remedy

T = TypeVar("T")


@unique
class Verdict(Enum):
    """What a failed InvokeEndpointAsync, or any other call, means. See `aws-facts`, table of outcomes."""

    THROTTLED = "throttled"
    """Back to the queue at a lower rate; uses up no attempt of the row."""
    TRANSIENT = "transient"
    """The service failed; it may have taken the row. Bounded retries."""
    NOT_SENT = "not sent"
    """The service never saw it."""
    UNKNOWN = "unknown"
    """It may have been accepted: look for the output before sending again."""
    ROW = "row"
    """The row cannot be accepted as it is."""
    RUN = "run"
    """Nothing can be accepted; no row is at fault."""
    CREDENTIALS = "credentials"
    """The credentials have expired: refresh, then as not sent."""


THROTTLES = frozenset({
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "TooManyRequests",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "BandwidthLimitExceeded", "SlowDown",
    "ProvisionedThroughputExceededException", "PriorRequestNotComplete", "LimitExceededException", "OverLimit",
    "KMS.ThrottlingException",
})  # fmt: skip
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthFailure", "NotAuthorized",
    "UnauthorizedOperation",
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "OptInRequired", "RequestTimeTooSkewed", "AllAccessDisabled",
    "KMSAccessDeniedException", "KMS.AccessDeniedException", "InvalidToken",
})  # fmt: skip
GONE = frozenset({
    "ResourceNotFound", "ResourceNotFoundException", "NoSuchBucket", "NotFoundException", "NotFound",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "PermanentRedirect", "UnknownOperationException",
})  # fmt: skip


def classify(error: CallError) -> Verdict:
    """Return what `error` means for the call that it ended. Pure; every line is a test."""
    if error.phase is Phase.CONNECT:
        return Verdict.NOT_SENT
    if error.phase is Phase.EXCHANGE:
        return Verdict.UNKNOWN
    # Order matters: AWS sends throttling as HTTP 400 and expiry as 403, so codes go before statuses.
    by_code = _by_code(error.code)
    if by_code is not None:
        return by_code
    status = error.status or 0
    if status == 429:
        return Verdict.THROTTLED
    if status in {401, 403, 404}:
        return Verdict.RUN
    if status >= 500 or status < 400:
        return Verdict.TRANSIENT
    return Verdict.ROW


def _by_code(code: str) -> Verdict | None:
    if code in THROTTLES:
        return Verdict.THROTTLED
    if code in EXPIRED:
        return Verdict.CREDENTIALS
    if code in DENIED or code in GONE:
        return Verdict.RUN
    if code == "RequestTimeout":  # S3's 400: it waited for our bytes
        return Verdict.TRANSIENT
    return None


@dataclass(frozen=True, slots=True)
class ModelRetry:
    """Which rows that the model failed are sent again within the run.

    Attributes:
        generations: How often at most, beyond the first.
        patterns: Regular expressions, searched in the failure's text without regard to case; one that matches
            allows it. SageMaker's texts are not documented; these were seen in public logs.
    """

    generations: int = 1
    patterns: tuple[str, ...] = (
        r"server error \(5\d\d\)",
        r"tim(?:ed|e)?[ -]?out",
        r"internal ?server ?error",
    )

    def allows(self, *, generation: int, text: str | None) -> bool:
        """Whether a row of this generation that failed with `text` may be sent again."""
        if generation >= self.generations or not text:
            return False
        return any(re.search(pattern, text, re.IGNORECASE) for pattern in self.patterns)


def backoff_s(tries: int, *, draw: float, base_s: float = 0.2, cap_s: float = 20.0) -> float:
    """Return how long to wait after the `tries`-th failure (from 1): exponential with full jitter.

    Args:
        tries: Failures so far.
        draw: A uniform random number in [0, 1), handed in.
        base_s: Upper end of the first wait.
        cap_s: Upper end of every wait.
    """
    exponent = min(tries - 1, 16)
    return draw * min(cap_s, base_s * float(1 << exponent))


IDEMPOTENT_RETRY = frozenset(
    {Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.NOT_SENT, Verdict.UNKNOWN, Verdict.CREDENTIALS}
)


def retriable(error: BaseException) -> bool:
    """Whether a call whose repetition does no harm should be repeated after `error`."""
    return isinstance(error, CallError) and classify(error) in IDEMPOTENT_RETRY


async def persist(
    call: Callable[[], Awaitable[T]],
    *,
    operation: str,
    give_up_after_s: float = 120.0,
    retrying: Callable[[CallError], None] | None = None,
) -> T:
    """Return what `call` returns, repeating it with full jitter while that can help; for harmless repetitions.

    Args:
        call: Makes one attempt.
        operation: AWS's name of it (`s3:PutObject`), for the error's text.
        give_up_after_s: No new attempt later than this many seconds after the first.
        retrying: Told the first failure, if the call is going to be repeated.

    Raises:
        RunError: The service will not answer: credentials, queue or bucket are wrong, or it still failed at the
            end; with the remedy.
        CallError: The reply is for the caller to judge: missing, refused (403 may mean missing), out of place.
    """
    started = anyio.current_time()
    try:  # tenacity costs 13-19 us even when nothing fails
        return await call()
    except CallError as error:
        first = error
    pause_s = _pause_s(1, first)
    if not retriable(first) or anyio.current_time() + pause_s - started > give_up_after_s:
        raise _judged(operation, first) from first
    if retrying is not None:
        retrying(first)
    await anyio.sleep(pause_s)

    def too_late(state: RetryCallState) -> bool:
        return anyio.current_time() + state.upcoming_sleep - started > give_up_after_s

    attempts = AsyncRetrying(
        retry=retry_if_exception(retriable),
        stop=too_late,
        wait=lambda state: _pause_s(state.attempt_number + 1, _error_of(state)),
        sleep=anyio.sleep,
        reraise=True,
    )
    try:
        async for attempt in attempts:
            with attempt:
                return await call()
    except CallError as error:
        raise _judged(operation, error) from error
    raise AssertionError("unreachable: tenacity returns or raises")


def _judged(operation: str, error: CallError) -> CallError | RunError:
    """Return what the caller hears: what it can judge by itself, or the end of the run."""
    judges = error.missing or error.code in {"AccessDenied", "403", "Forbidden", "NoSuchBucket"}
    if retriable(error) or (classify(error) is Verdict.RUN and not judges):
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
