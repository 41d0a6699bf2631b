"""Decides what it means that an object could not be read: its row's fault, the run's, or that it is not there; pure.

One object can be unreadable for good while all others are sound. Then its row has failed, and the run goes on.
"""

from __future__ import annotations

from enum import Enum, unique

from fanout.domain.failures import NOT_PERMITTED, FailureKind, failure_kind
from fanout.errors import CallError, Phase

TOO_LARGE = "ObjectTooLarge"
"""Our own code: the head of the reply told a larger body than is taken."""
INCOMPLETE = "IncompleteBody"
"""Our own code: the reply ended before the length that its head told."""
CHECKSUM_DIFFERS = "FlexibleChecksumError"  # botocore's name of it
ARCHIVED = "InvalidObjectState"  # S3, "Error responses": an archived object that was not restored
_KEY = "KMS."
"""S3 hands on what KMS says of an object's key under this prefix: KMS.DisabledException, KMS.KMSInvalidStateException,
KMS.NotFoundException (Amazon IVS user guide, "Auto-record: start error codes", has the first two)."""
_REFUSED = NOT_PERMITTED | {"403", "Forbidden"}  # a 403 without a body has only its status


@unique
class ObjectFault(Enum):
    """What a failed GetObject means."""

    ABSENT = "absent"
    """There is no such object, as far as S3 tells."""
    DENIED = "denied"
    """S3 refuses it; without `s3:ListBucket` that is also said of what is not there."""
    UNREADABLE = "unreadable"
    """It stands there, and cannot be read."""
    UNANSWERED = "unanswered"
    """The call failed again and again: the object's fault if S3 answers otherwise."""
    RUN = "run"
    """No object can be read: credentials, signature, region."""


def object_fault(error: CallError) -> ObjectFault:
    """Return what `error`, the last of a GetObject's tries, means. Pure; every line is a test."""
    if error.code in {TOO_LARGE, INCOMPLETE, CHECKSUM_DIFFERS}:
        return ObjectFault.UNREADABLE
    if error.phase is not Phase.REPLY:
        # Nothing was signed for want of credentials, or nothing came back; neither tells of the object.
        return ObjectFault.RUN if error.code == "CredentialsUnavailable" else ObjectFault.UNANSWERED
    kind = failure_kind(error)
    if kind is FailureKind.CREDENTIALS:
        return ObjectFault.RUN
    if kind in {FailureKind.THROTTLED, FailureKind.TRANSIENT}:
        return ObjectFault.UNANSWERED
    if error.code == ARCHIVED or error.code.startswith(_KEY):
        return ObjectFault.UNREADABLE
    if error.status == 404:  # also a bucket that a reply named and that is not there
        return ObjectFault.ABSENT
    if error.code in _REFUSED:
        return ObjectFault.DENIED
    # What S3 says of one request, and no list of ours has, may be about this object.
    return ObjectFault.UNANSWERED if kind is FailureKind.ROW else ObjectFault.RUN


def may_pass(error: BaseException) -> bool:
    """Whether a GetObject that failed with `error` should be tried again."""
    if not isinstance(error, CallError) or error.code == TOO_LARGE:
        return False
    kind = failure_kind(error)
    return kind not in {FailureKind.RUN, FailureKind.ROW}


def is_shared(error: CallError) -> bool:
    """Whether all others may be unreadable for the same cause: a permission, a key, a storage class, a proxy."""
    return error.code != TOO_LARGE


def error_code(error: CallError) -> str:
    """Return the `error_code` of a row whose output stands there and cannot be read for `error`."""
    if error.code.startswith(_KEY):
        return "OutputKeyUnusable"
    if error.code in _REFUSED:
        return "OutputDenied"
    return _CODES.get(error.code, "OutputUnreadable")


def explanation(error: CallError) -> str:
    """Return what is wrong with the object, and what a person can do about it."""
    return f"{error}. {_STEPS[error_code(error)]}"


_CODES = {
    TOO_LARGE: "OutputTooLarge",
    INCOMPLETE: "OutputTruncated",
    CHECKSUM_DIFFERS: "OutputDamaged",
    ARCHIVED: "OutputArchived",
}
_STEPS = {
    "OutputTooLarge": "Raise collect.response_max_bytes, or read it there.",
    "OutputTruncated": "It ended early at every try: read it there.",
    "OutputDamaged": "It differed from its checksum at every try: read it there.",
    "OutputArchived": "A lifecycle rule has archived it: restore it (aws s3api restore-object), then read it there.",
    "OutputKeyUnusable": "Its KMS key is disabled or gone: enable the key, then read it there.",
    "OutputDenied": "Others can be read: have its bucket policy and its KMS key policy allow it, then read it there.",
    "OutputUnreadable": "S3 answers otherwise: read it there.",
}
