"""Makes the calls that are made once a run, or once a minute, under the names that aiobotocore gives them.

So `control`, `run_queue` and `leftovers` of `fanout.aws` use it as a client. It passes on to aiobotocore's what is not
listed here, and what no channel leads to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import orjson

from fanout.aws.http.channel import HttpChannel
from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.query import elements, form, statistics
from fanout.aws.http.reply_errors import json_object, request_id
from fanout.aws.http.sigv4 import Template

REPLY_CAP_BYTES = 4 * 1024 * 1024  # the description of an endpoint's configuration has some KiB

_OPERATIONS = {
    "sagemaker": frozenset({"describe_endpoint", "describe_endpoint_config"}),
    "sqs": frozenset({
        "get_queue_url", "create_queue", "set_queue_attributes", "get_queue_attributes", "delete_queue",
        "tag_queue", "list_queues", "list_queue_tags",
    }),
    "sns": frozenset({"subscribe", "unsubscribe"}),
    "cloudwatch": frozenset({"get_metric_statistics"}),
    "sts": frozenset({"get_caller_identity"}),
}  # fmt: skip
_TARGETS = {"sagemaker": "SageMaker", "sqs": "AmazonSQS"}
_JSON = {"sagemaker": "application/x-amz-json-1.1", "sqs": "application/x-amz-json-1.0"}
_READERS = {
    "sns": elements,
    "cloudwatch": statistics,
    "sts": elements,
}  # the services that speak the query protocol


class ControlClient:
    """Stands in for one aiobotocore client.

    Args:
        channels: To the service.
        service: `sagemaker`, `sqs`, `sns`, `cloudwatch` or `sts`.
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
        read = _READERS.get(self._service)
        body = form(self._service, action, parameters) if read else orjson.dumps(parameters)
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
        told = read(answer, action) if read else json_object(answer) if answer.body else {}
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()}
        return told | {
            "ResponseMetadata": {
                "RequestId": request_id(answer),
                "HTTPStatusCode": answer.status,
                "HTTPHeaders": headers,
            }
        }

    def _headers(self, action: str) -> dict[str, str]:
        if self._service in _READERS:
            return {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        headers = {
            "content-type": _JSON[self._service],
            "x-amz-target": f"{_TARGETS[self._service]}.{action}",
        }
        # Has errors named as they were before SQS spoke JSON, too: those names say more.
        return headers | ({"x-amzn-query-mode": "true"} if self._service == "sqs" else {})
