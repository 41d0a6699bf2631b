"""What a failed call means and what to do about it: one pure table, one backoff, one loop for idle calls.

The invoke stage keeps its own loop, because a row's retries are counted and journalled; everything around it
(S3, SQS, control calls) goes through `retry_call`.
"""

from __future__ import annotations

from enum import Enum, unique

from fanout.errors import CallError, Phase


@unique
class FailureKind(Enum):
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


def failure_kind(error: CallError) -> FailureKind:
    """Return what `error` means for the call that it ended. Pure; every line is a test."""
    if error.phase is Phase.CONNECT:
        return FailureKind.NOT_SENT
    if error.phase is Phase.EXCHANGE:
        return FailureKind.UNKNOWN
    # Order matters: AWS sends throttling as HTTP 400 and expiry as 403, so codes go before statuses.
    by_code = _by_code(error.code)
    if by_code is not None:
        return by_code
    status = error.status or 0
    if status == 429:
        return FailureKind.THROTTLED
    if status in {401, 403, 404}:
        return FailureKind.RUN
    if status >= 500 or status < 400:
        return FailureKind.TRANSIENT
    return FailureKind.ROW


def _by_code(code: str) -> FailureKind | None:
    if code in THROTTLES:
        return FailureKind.THROTTLED
    if code in EXPIRED:
        return FailureKind.CREDENTIALS
    if code in DENIED or code in GONE:
        return FailureKind.RUN
    if code == "RequestTimeout":  # S3's 400: it waited for our bytes
        return FailureKind.TRANSIENT
    return None
