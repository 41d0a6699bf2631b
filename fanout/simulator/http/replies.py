"""Writes replies in the shapes that SDKs parse: JSON, S3's XML, the query protocol's XML, and errors in each.

Pure. Request ids look like AWS's, are unique in a process, and cost no randomness each.
"""

from __future__ import annotations

import re
import secrets
from itertools import count
from xml.sax.saxutils import escape

import orjson

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Header, Reply

JSON = "application/json"
JSON_1_0 = "application/x-amz-json-1.0"
JSON_1_1 = "application/x-amz-json-1.1"

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_prefix = (
    f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}-a{secrets.token_hex(2)[1:]}"
)
_serial = count(1)

# QueryErrorCode of SQS's old protocol -> shape of the new one; botocore reports the former, classes go by the latter.
_SQS_SHAPES = {
    "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
    "AWS.SimpleQueueService.PurgeQueueInProgress": "PurgeQueueInProgress",
    "AWS.SimpleQueueService.TooManyEntriesInBatchRequest": "TooManyEntriesInBatchRequest",
    "AWS.SimpleQueueService.EmptyBatchRequest": "EmptyBatchRequest",
    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct": "BatchEntryIdsNotDistinct",
    "AWS.SimpleQueueService.BatchRequestTooLong": "BatchRequestTooLong",
    "AWS.SimpleQueueService.InvalidBatchEntryId": "InvalidBatchEntryId",
    "AWS.SimpleQueueService.UnsupportedOperation": "UnsupportedOperation",
    "QueueAlreadyExists": "QueueNameExists",
}


def request_id() -> str:
    """Return a fresh id, shaped like a UUID."""
    return f"{_prefix}-{next(_serial):012x}"


def json_reply(
    status: int, value: object, *, content_type: str = JSON, headers: tuple[Header, ...] = ()
) -> Reply:
    """Return `value` as a JSON reply with a request id."""
    return Reply(
        status,
        [("x-amzn-RequestId", request_id()), ("Content-Type", content_type), *headers],
        orjson.dumps(value),
    )


def json_error(error: ServiceError, *, content_type: str) -> Reply:
    """Return the error as JSON services write it: its code in `__type` and in x-amzn-ErrorType."""
    headers = [("x-amzn-ErrorType", error.code), *_retry_after(error)]
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    return json_reply(error.status, body, content_type=content_type, headers=tuple(headers))


def sqs_error(error: ServiceError) -> Reply:
    """Return the error as SQS writes it: the code of its old protocol in a header, the new one in the body."""
    shape = _SQS_SHAPES.get(error.code, error.code)
    fault = "Sender" if error.status < 500 else "Receiver"
    headers = (("x-amzn-query-error", f"{error.code};{fault}"), *_retry_after(error))
    body = {"__type": f"com.amazonaws.sqs#{shape}", "message": error.message}
    return json_reply(error.status, body, content_type=JSON_1_0, headers=headers)


def xml_reply(status: int, xml: str, *, headers: tuple[Header, ...] = ()) -> Reply:
    """Return an S3 reply; without `xml` it has no body."""
    identity = request_id()
    common = (
        ("x-amz-request-id", identity),
        ("x-amzn-RequestId", identity),
        ("x-amz-id-2", f"{identity}-host"),
    )
    if not xml:
        return Reply(status, [*common, *headers])
    return Reply(status, [*common, ("Content-Type", "application/xml"), *headers], (_XML + xml).encode())


def s3_error(error: ServiceError, *, resource: str, extra: str = "") -> Reply:
    """Return the error as S3's XML; `extra` is XML that some errors carry besides."""
    reply = xml_reply(error.status, " ", headers=tuple(_retry_after(error)))
    identity = reply.headers[0][1]
    xml = (
        f"<Error><Code>{text(error.code)}</Code><Message>{text(error.message)}</Message>{extra}"
        f"<Resource>{text(resource)}</Resource><RequestId>{identity}</RequestId><HostId>{identity}-host</HostId></Error>"
    )
    reply.body = (_XML + xml).encode()
    return reply


def query_reply(action: str, result: str, *, namespace: str) -> Reply:
    """Return the reply of a query-protocol service; `result` is XML, empty for an action without a result."""
    identity = request_id()
    inner = f"<{action}Result>{result}</{action}Result>" if result else ""
    xml = (
        f'<{action}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{identity}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(200, [("x-amzn-RequestId", identity), ("Content-Type", "text/xml")], xml.encode())


def query_error(error: ServiceError, *, namespace: str) -> Reply:
    """Return the error as query-protocol services write it."""
    identity = request_id()
    fault = "Sender" if error.status < 500 else "Receiver"
    xml = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type><Code>{text(error.code)}</Code>'
        f"<Message>{text(error.message)}</Message></Error><RequestId>{identity}</RequestId></ErrorResponse>"
    )
    headers = [("x-amzn-RequestId", identity), ("Content-Type", "text/xml"), *_retry_after(error)]
    return Reply(error.status, headers, xml.encode())


def text(value: object) -> str:
    """Return `value` as XML text; characters that XML 1.0 cannot hold become numeric references, as S3 writes them."""
    escaped = escape(str(value), {"\r": "&#13;"})
    return _UNPRINTABLE.sub(lambda match: f"&#x{ord(match[0]):x};", escaped)


def _retry_after(error: ServiceError) -> list[Header]:
    if error.retry_after_s is None:
        return []
    # botocore's standard mode reads x-amz-retry-after in milliseconds; Retry-After is in seconds (RFC 9110, 10.2.3).
    milliseconds = round(error.retry_after_s * 1000)
    return [("x-amz-retry-after", str(milliseconds)), ("Retry-After", str(-(-milliseconds // 1000)))]
