"""Tells what a failed call means, by one table of AWS's error codes; pure.

Every part of the program that asks for a code takes its set from here, whichever client made the call.
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


OPEN_FILES = "TooManyOpenFiles"
"""Code of a call that was never sent because this process, or the machine, had no descriptor left (EMFILE, ENFILE)."""

# The codes by which AWS says it, each set once. botocore's service models, and the pages "Common errors" of the API
# references of SageMaker, SQS, SNS, KMS and STS, "Error responses" of S3's, spell them.
THROTTLES = frozenset({
    # any service: botocore/retries/standard.py, ThrottledRetryableChecker
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "TooManyRequests",
    "RequestLimitExceeded", "RequestThrottledException", "BandwidthLimitExceeded", "LimitExceededException",
    "ProvisionedThroughputExceededException", "PriorRequestNotComplete",
    "SlowDown",  # S3
    "RequestThrottled", "OverLimit", "KmsThrottled", "KMS.ThrottlingException",  # SQS, by its new and its old names
    "Throttled", "KMSThrottling", "KMSThrottlingException",  # SNS
})  # fmt: skip
EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException",  # any service, STS
    "RequestExpired",  # any service: the signature is too old, or its keys are
    "TokenRefreshRequired",  # S3
})  # fmt: skip
"""The credentials have expired, as far as a code tells."""
WRONG_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
"""A date that is too far off; botocore/handlers.py and S3's list of errors."""
TOLERATED_SKEW_S = 240.0
"""Services take a date that is 5 minutes off (S3: 15); what is less than this off was refused for another reason."""
UNKNOWN_KEYS = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",  # any service
    "InvalidAccessKeyId", "InvalidToken",  # S3
})  # fmt: skip
BAD_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"})
NOT_PERMITTED = frozenset({
    "AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation",  # any service
    "AllAccessDisabled",  # S3
    "AuthorizationError", "KMSAccessDenied", "KMSAccessDeniedException",  # SNS
    "KmsAccessDenied", "KMS.AccessDeniedException",  # SQS, by its new and its old name
})  # fmt: skip
DENIED = (
    NOT_PERMITTED
    | UNKNOWN_KEYS
    | BAD_SIGNATURE
    | (WRONG_CLOCK - EXPIRED)
    | {"AuthFailure", "OptInRequired"}  # any service; the former for keys, signatures and dates alike
)
MISSING = frozenset({
    "ResourceNotFound", "ResourceNotFoundException",  # SageMaker; SNS and SQS
    "NotFound", "NotFoundException",  # SNS
    "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",  # SQS, by its new and its old name
    "InvalidAddress",  # SQS: a url whose account or region is not the host's
})  # fmt: skip
"""What a call named is not there: a queue, a topic, a subscription, an endpoint."""
UNTRUSTED = frozenset({"SSLCertVerificationError"})
"""The server's certificate is refused: self-signed, of an unknown authority, expired, or another host's. No repetition
changes that, and nothing was sent."""
UNREACHABLE = "Unreachable"
"""No server of AWS was ever reached, in spite of repetitions (`aws.reach`)."""
GONE = MISSING | {"NoSuchBucket", "PermanentRedirect", "UnknownOperationException"}


def failure_kind(error: CallError) -> FailureKind:
    """Return what `error` means for the call that it ended. Pure; every line is a test."""
    if error.phase is Phase.CONNECT:
        permanent = error.code in UNTRUSTED or error.code == UNREACHABLE
        return FailureKind.RUN if permanent else FailureKind.NOT_SENT
    if error.phase is Phase.EXCHANGE:
        return FailureKind.UNKNOWN
    # Order matters: AWS sends throttling as HTTP 400 and expiry as 403, so codes go before statuses.
    by_code = _by_code(error.code)
    if by_code is not None:
        return by_code
    status = error.status or 0
    if status == 429:
        return FailureKind.THROTTLED
    if status in {401, 403, 404} or 300 <= status < 400:  # what redirects us has not taken the request
        return FailureKind.RUN
    if status >= 500 or status < 300:
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
