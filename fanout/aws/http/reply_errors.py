"""Reads the facts that AWS's replies state, and makes a `CallError` of a refusal; pure.

Codes and messages are those that botocore would report: `domain.failures` and `domain.remedies` know these names.
"""

from __future__ import annotations

import html
import re
from http.client import responses as _reasons
from typing import Any

import orjson

from fanout.aws.errors import MESSAGE_CHARS, UNREADABLE, redirect, retry_after_s
from fanout.aws.http.reply_parser import Answer
from fanout.errors import CallError, Phase

_ASKED = ("x-amz-retry-after", "retry-after", "date", "location", "x-amz-bucket-region")
_CODE_KEYS = ("__type", "code", "Code")
_CODE = re.compile(rb"<Code>\s*([^<]*?)\s*</Code>")
_MESSAGE = re.compile(rb"<Message>\s*([^<]*?)\s*</Message>")
_XML_BYTES = 64 * 1024  # an error document of S3's is below 1 KiB


def header(answer: Answer, name: bytes) -> str | None:
    """Return a header's value, None if it was not sent.

    Args:
        answer: The reply.
        name: In lower case.
    """
    value = answer.headers.get(name)
    return None if value is None else value.decode("utf-8", "replace")


def request_id(answer: Answer) -> str | None:
    """Return AWS's id of the request."""
    return header(answer, b"x-amzn-requestid") or header(answer, b"x-amz-request-id") or None


def json_object(answer: Answer) -> dict[str, Any]:
    """Return the object that a successful reply's body is.

    Raises:
        CallError: It is none: something answered, and the call may have taken effect.
    """
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        content = None
    if isinstance(content, dict):
        return content
    message = "the reply's body is not a JSON object"
    raise unreadable(answer, message)


def unreadable(answer: Answer, message: str) -> CallError:
    """Return the error for a reply that calls itself a success and lacks what it must say."""
    return CallError(
        Phase.EXCHANGE, UNREADABLE, message=message, status=answer.status, request_id=request_id(answer)
    )


def json_refusal(answer: Answer) -> CallError:
    """Return what a service that speaks JSON (SageMaker, SQS) says; a proxy's HTML counts by its status."""
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        content = None
    told: dict[str, Any] = content if isinstance(content, dict) else {"message": _reason(answer)}
    # SQS's old names, which say more ("AWS.SimpleQueueService.NonExistentQueue;Sender"), come before its new.
    old = (header(answer, b"x-amzn-query-error") or "").partition(";")[0]
    named = header(answer, b"x-amzn-errortype") or next(filter(None, map(told.get, _CODE_KEYS)), "")
    code = old or str(named).partition(":")[0].rpartition("#")[2]
    return refused(answer, code, str(told.get("message") or told.get("Message") or ""))


def xml_refusal(answer: Answer) -> CallError:
    """Return what S3 says; without a body (HEAD), and for a proxy's HTML, the status has to do."""
    document = answer.body[:_XML_BYTES]
    code, message = _CODE.search(document), _MESSAGE.search(document)
    return refused(answer, _unescaped(code), _unescaped(message) if message else _reason(answer))


def refused(answer: Answer, code: str, message: str) -> CallError:
    """Return the error for a reply that says `code` and `message`."""
    asked = {name: value for name in _ASKED if (value := header(answer, name.encode())) is not None}
    elsewhere = redirect(answer.status, asked)
    if elsewhere is not None:
        message = f"{elsewhere}: {message}" if message else elsewhere
    return CallError(
        Phase.REPLY,
        code or str(answer.status),
        message=message[:MESSAGE_CHARS],
        status=answer.status,
        retry_after_s=retry_after_s(asked),
        request_id=request_id(answer),
    )


def _reason(answer: Answer) -> str:
    return _reasons.get(answer.status, "")


def _unescaped(found: re.Match[bytes] | None) -> str:
    return "" if found is None else html.unescape(found[1].decode("utf-8", "replace"))
