"""Makes the calls of sagemaker, sqs and sns that are made once a run, under the names that aiobotocore gives them.

So `fanout.aws.control` and `fanout.aws.run_queue` use it as a client. It passes on to aiobotocore's what is not listed
here, and what no channel leads to.
"""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.reply_errors import json_object, request_id, unreadable
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Template

REPLY_CAP_BYTES = 4 * 1024 * 1024  # the description of an endpoint's configuration has some KiB

_OPERATIONS = {
    "sagemaker": frozenset({"describe_endpoint", "describe_endpoint_config"}),
    "sqs": frozenset({
        "get_queue_url", "create_queue", "set_queue_attributes", "get_queue_attributes", "delete_queue",
    }),
    "sns": frozenset({"subscribe", "unsubscribe"}),
}  # fmt: skip
_TARGETS = {"sagemaker": "SageMaker", "sqs": "AmazonSQS"}
_JSON = {"sagemaker": "application/x-amz-json-1.1", "sqs": "application/x-amz-json-1.0"}
_SNS_VERSION = "2010-03-31"
_TEXT = re.compile(rb"<(\w+)>([^<]+)</\1>")


class ControlClient:
    """Stands in for one aiobotocore client.

    Args:
        channels: To the service.
        service: `sagemaker`, `sqs` or `sns`.
        otherwise: The aiobotocore client.
        timeout_s: Bound of one call as a whole.
    """

    def __init__(self, channels: HttpChannels, service: str, *, otherwise: Any, timeout_s: float) -> None:
        self._channels = channels
        self._service = service
        self._otherwise = otherwise
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the method that makes one call; it raises `CallError`."""
        if name.startswith("_") or name not in _OPERATIONS[self._service]:
            otherwise: Callable[..., Awaitable[Any]] = getattr(self._otherwise, name)
            return otherwise

        async def call(**parameters: Any) -> Any:
            channel = await self._channels.find(self._service, name, **parameters)
            if channel is None:
                return await getattr(self._otherwise, name)(**parameters)
            action = "".join(part.capitalize() for part in name.split("_"))
            return await self._call(channel, action, parameters)

        return call

    async def _call(self, channel: HttpChannel, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        is_sns = self._service == "sns"
        body = _form(action, parameters) if is_sns else orjson.dumps(parameters)
        answer = await channel.send(
            Template(
                "POST",
                host=channel.route.host,
                path=channel.route.path,
                headers=self._headers(action),
                unsigned={"user-agent": channel.route.user_agent},
            ),
            (),
            payload=sha256(body).hexdigest(),
            body=body,
            timeout_s=self._timeout_s,
            cap_bytes=REPLY_CAP_BYTES,
        )
        told = _elements(answer, action) if is_sns else json_object(answer) if answer.body else {}
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()}
        return told | {
            "ResponseMetadata": {
                "RequestId": request_id(answer),
                "HTTPStatusCode": answer.status,
                "HTTPHeaders": headers,
            }
        }

    def _headers(self, action: str) -> dict[str, str]:
        if self._service == "sns":
            return {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        headers = {
            "content-type": _JSON[self._service],
            "x-amz-target": f"{_TARGETS[self._service]}.{action}",
        }
        # Has errors named as they were before SQS spoke JSON, too: those names say more.
        return headers | ({"x-amzn-query-mode": "true"} if self._service == "sqs" else {})


def _form(action: str, parameters: Mapping[str, Any]) -> bytes:
    """Return a call in SNS's protocol: texts, booleans, and one level of names and values."""
    fields = {"Action": action, "Version": _SNS_VERSION}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            for number, (key, inner) in enumerate(value.items(), start=1):
                fields |= {f"{name}.entry.{number}.key": key, f"{name}.entry.{number}.value": inner}
        else:
            fields[name] = str(value).lower() if isinstance(value, bool) else value
    return urlencode(fields).encode()


def _elements(answer: Answer, action: str) -> dict[str, Any]:
    """Return the texts of a successful reply, by the names of their elements."""
    if f"<{action}Response".encode() not in answer.body:
        raise unreadable(answer, f"the reply's body is no {action}Response")
    return {
        name.decode(): html.unescape(text.decode("utf-8", "replace"))
        for name, text in _TEXT.findall(answer.body)
    }
