"""Says what each `error_code` of our own means, and what to do about it.

A row that AWS itself refused has AWS's code and words instead (`ValidationError`, `ModelError`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """What a code tells of its row.

    Attributes:
        status: How the row ended.
        meaning: What is known.
        remedy: The next step.
    """

    status: str
    meaning: str
    remedy: str


_MEND = "Mend the row, then send it in a new run."

_READ = "Read `response`, which is kept: mend the path or the type, or the model, then `fanout retry -c`."

ERROR_CODES: Mapping[str, ErrorCode] = {
    "InvalidJSON": ErrorCode("rejected", "The line is not JSON.", _MEND),
    "InvalidUTF8": ErrorCode("rejected", "A text is not valid UTF-8.", _MEND),
    "LineTooLong": ErrorCode(
        "rejected", "The line is longer than `input.line_max_bytes`.", "Raise it, or split the row."
    ),
    "RowTooLarge": ErrorCode(
        "rejected", "A row of Parquet unfolds to more than `input.line_max_bytes`.",
        "Raise it, or select fewer columns.",
    ),
    "NotAnObject": ErrorCode(
        "rejected", "The line is JSON, but not an object.", "Set `input.any_json` if that is intended."
    ),
    "NotJSON": ErrorCode(
        "rejected", "A value cannot be written as JSON: NaN, infinity, a date outside of the years 1 to 9999.", _MEND
    ),
    "OutOfRange": ErrorCode(
        "rejected", "An instant is too far from 1970 for the unit that the other files have.", _MEND
    ),
    "MissingField": ErrorCode(
        "rejected", "A column or field that makes the payload is missing in this row.",
        "Mend the row, or name it as one that may be missing: `name?`, in a template `${name?}`.",
    ),
    "NoPayload": ErrorCode("rejected", "The location column is null, and no payload is selected.", _MEND),
    "NullPayload": ErrorCode("rejected", "The payload, or a field of it, is null.", _MEND),
    "InvalidPayload": ErrorCode(
        "rejected", "The payload's column holds neither bytes nor text.",
        "Name another column, or write a template: `[payload] template = \"$column\"`.",
    ),
    "InvalidLocation": ErrorCode("rejected", "The row names a place that is not an s3:// or https:// location.", _MEND),
    "InvalidOption": ErrorCode(
        "rejected", "A content type, an accept, custom attributes, a TTL or a timeout that the API would refuse.", _MEND
    ),
    "PayloadTooLarge": ErrorCode(
        "rejected", "The payload is larger than its way takes: 128,000 bytes inline, 1 GB via S3.",
        "Let it go via S3 (`--transport auto`), or split the row.",
    ),
    "NoInputPrefix": ErrorCode(
        "rejected", "The payload must go via S3, and no place for it is named.",
        "Name one: `--input-prefix s3://bucket/prefix`.",
    ),
    "ModelFailed": ErrorCode(
        "failed", "The model answered with an error; its words are in `error_message`.",
        "See the endpoint's log in CloudWatch; `fanout retry` sends the row again.",
    ),
    "Expired": ErrorCode(
        "expired", "SageMaker did not serve the row in time.",
        "Raise `--ttl`, lower `--window`, or add instances; then `fanout retry`.",
    ),
    "OutputTooLarge": ErrorCode(
        "failed", "The response is larger than `collect.response_max_bytes`.",
        "Raise it, or read the object at `output_location`.",
    ),
    "OutputTruncated": ErrorCode(
        "failed", "The response ended early at every try.", "Read the object at `output_location`."
    ),
    "OutputDamaged": ErrorCode(
        "failed", "The response differed from its checksum at every try.", "Read the object at `output_location`."
    ),
    "OutputArchived": ErrorCode(
        "failed", "A lifecycle rule has archived the response.", "Restore the object, then read it there."
    ),
    "OutputKeyUnusable": ErrorCode(
        "failed", "The KMS key of the response is disabled, gone or not to be used.",
        "Have the key enabled, then read the object at `output_location`.",
    ),
    "OutputDenied": ErrorCode(
        "failed", "S3 refuses the response to this role.",
        "Grant `s3:GetObject` there and `kms:Decrypt` on its key, then read the object.",
    ),
    "OutputUnreadable": ErrorCode(
        "failed", "The response stands there and cannot be read.", "Read the object at `output_location`."
    ),
    "FieldMissing": ErrorCode(
        "invalid", "The response lacks a field of `[output.fields]` that is not optional, or has null there.", _READ
    ),
    "FieldType": ErrorCode("invalid", "A value in the response is not of the type of its field.", _READ),
    "ResponseNotJSON": ErrorCode(
        "invalid", "The response is not JSON, and `output.response` or a field needs it.", _READ
    ),
    "ResponseNotText": ErrorCode(
        "invalid", "The response is not UTF-8, and `output.response` or a field needs it.", _READ
    ),
    "NoResult": ErrorCode(
        "unsettled", "It was accepted, and no result was found: its deadline passed, or the backlog is empty.",
        "Look at `output_location` later; `fanout retry` sends it again, and it may have been served.",
    ),
    "OutputMissing": ErrorCode(
        "unsettled", "A message says that it was completed, and its output is not there.",
        "Look at `output_location` later; `fanout retry` sends it again, and it may have been served.",
    ),
    "FailureUnconfirmed": ErrorCode(
        "unsettled", "A message says that it failed or expired, and no object confirms that.",
        "Give the endpoint an S3FailurePath; `fanout retry` sends it again.",
    ),
    "DeliveryUnknown": ErrorCode(
        "unknown", "A request was sent, or may have been, and nothing tells whether it was accepted.",
        "`fanout retry` sends it again, and it may have been served.",
    ),
}  # fmt: skip
"""By code, in the order of a row's way."""
