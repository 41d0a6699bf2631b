"""Opens the data plane: open aiobotocore clients and their credentials enter, `ports` implementations leave.

Whoever opens it closes it, before the clients. What no line leads to (behind a proxy, signed in another way,
in another region) is done by the implementations of `fanout.aws`, call by call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.dialer import tls_context
from fanout.aws.http.invoker import HttpInvoker
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.objects import HttpObjects
from fanout.aws.http.queue import HttpQueue
from fanout.aws.http.reply_errors import json_refusal, xml_refusal
from fanout.aws.http.reply_parser import Answer
from fanout.aws.settings import AwsSettings
from fanout.errors import CallError
from fanout.ports import Invoker, ObjectStore, Queue

_REFUSALS: Mapping[str, Callable[[Answer], CallError]] = {
    "sagemaker-runtime": json_refusal,
    "s3": xml_refusal,
    "sqs": json_refusal,
}


class DataPlane:
    """The calls that are made per record.

    Args:
        clients: Open aiobotocore clients, by service.
        credentials: What they sign with.
        settings: What they were opened with.
        ca_bundle: Authorities to verify servers by; None takes botocore's.
    """

    def __init__(
        self, clients: Mapping[str, Any], *, credentials: Any, settings: AwsSettings, ca_bundle: str | None
    ) -> None:
        signing_keys, skew = SigningKeys(credentials), ClockSkew()
        tls = cache(lambda: tls_context(ca_bundle))  # reading 140 authorities takes 10 ms
        self._clients = clients
        self._settings = settings
        self._channels = {
            service: HttpChannels(
                clients[service],
                signing_keys=signing_keys,
                skew=skew,
                tls=tls,
                refusal=refusal,
                limit=settings.max_connections,
                connect_timeout_s=settings.connect_timeout_s,
                call_timeout_s=settings.call_timeout_s,
            )
            for service, refusal in _REFUSALS.items()
        }

    def invoker(self, otherwise: Invoker) -> Invoker:
        """Return the invoker; `otherwise` takes what no line leads to."""
        channels = self._channels["sagemaker-runtime"]
        return HttpInvoker(channels, otherwise=otherwise, timeout_s=self._settings.call_timeout_s)

    def objects(self, otherwise: ObjectStore) -> ObjectStore:
        """Return the object store; `otherwise` takes what no line leads to, listings and deletes."""
        return HttpObjects(
            self._channels["s3"], client=self._clients["s3"], otherwise=otherwise, settings=self._settings
        )

    def queue(self, url: str, otherwise: Queue) -> Queue:
        """Return the queue at `url`; `otherwise` takes its calls where no line leads there."""
        channels = self._channels["sqs"]
        return HttpQueue(channels, url, otherwise=otherwise, timeout_s=self._settings.call_timeout_s)

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        for channels in self._channels.values():
            await channels.aclose()


@asynccontextmanager
async def open_data_plane(
    clients: Mapping[str, Any], *, credentials: Any, settings: AwsSettings, ca_bundle: str | None
) -> AsyncIterator[DataPlane]:
    """Yield the data plane; its connections are closed at the end. Arguments: see `DataPlane`."""
    data_plane = DataPlane(clients, credentials=credentials, settings=settings, ca_bundle=ca_bundle)
    try:
        yield data_plane
    finally:
        await data_plane.aclose()
