"""Opens our own HTTP client: invoker, object store and queues of `ports`, and the clients for calls once a run.

Its opener closes it, before the aiobotocore clients, which make the calls that no channel leads to (behind a proxy,
signed in another way, in another region).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio

from fanout.aws.http.channels import HttpChannels
from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.control_client import ControlClient
from fanout.aws.http.dialer import tls_context
from fanout.aws.http.endpoint_lookup import Lookup
from fanout.aws.http.invoker import HttpInvoker
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.objects import HttpObjects
from fanout.aws.http.queue import HttpQueue
from fanout.aws.http.reply_errors import json_refusal, xml_refusal
from fanout.aws.http.reply_parser import Answer
from fanout.aws.reach import Reach
from fanout.aws.sdk.objects import S3Objects
from fanout.aws.settings import AwsSettings
from fanout.errors import CallError
from fanout.ports import Invoker, ObjectStore, Queue

_REFUSALS: Mapping[str, Callable[[Answer], CallError]] = {
    "sagemaker-runtime": json_refusal,
    "s3": xml_refusal,
    "sqs": json_refusal,
    "sagemaker": json_refusal,
    "sns": xml_refusal,
    "cloudwatch": xml_refusal,
    "sts": xml_refusal,
}
PER_RECORD = ("sagemaker-runtime", "s3", "sqs")
"""The services that are called for each record."""
ONCE_A_RUN = ("sagemaker", "sqs", "sns", "cloudwatch", "sts")
"""The services that are called when a run begins and ends, and once a minute at most."""


class DataPlane:
    """Our own HTTP client.

    Args:
        lookups: Say where the calls of each service go: of those in `PER_RECORD`, and of those that are called once a
            run if `control_client` is asked for them.
        clients: aiobotocore clients, by service.
        credentials: What they sign with.
        settings: What they were opened with.
        ca_bundle: Authorities to verify servers by; None takes botocore's.
        reach: Which servers were reached.
    """

    def __init__(
        self,
        lookups: Iterable[Lookup],
        *,
        clients: Mapping[str, Any],
        credentials: Any,
        settings: AwsSettings,
        ca_bundle: str | None,
        reach: Reach,
    ) -> None:
        signing_keys, skew = SigningKeys(credentials), ClockSkew()
        tls = cache(lambda: tls_context(ca_bundle))  # reading 140 authorities takes 10 ms
        self._clients = clients
        self._settings = settings
        self._channels = {
            lookup.service: HttpChannels(
                lookup,
                signing_keys=signing_keys,
                skew=skew,
                reach=reach,
                tls=tls,
                refusal=_REFUSALS[lookup.service],
                limit=settings.max_connections,
                connect_timeout_s=settings.connect_timeout_s,
                call_timeout_s=settings.call_timeout_s,
            )
            for lookup in lookups
        }

    def invoker(self, otherwise: Invoker) -> Invoker:
        """Return the invoker; `otherwise` takes what no channel leads to."""
        channels = self._channels["sagemaker-runtime"]
        return HttpInvoker(channels, otherwise=otherwise, timeout_s=self._settings.call_timeout_s)

    def objects(self, otherwise: S3Objects) -> ObjectStore:
        """Return the object store; `otherwise` takes what no channel leads to."""
        return HttpObjects(self._channels["s3"], otherwise=otherwise, settings=self._settings)

    def queue(self, url: str, otherwise: Queue) -> Queue:
        """Return the queue at `url`; `otherwise` takes its calls where no channel leads there."""
        channels = self._channels["sqs"]
        return HttpQueue(channels, url, otherwise=otherwise, timeout_s=self._settings.call_timeout_s)

    def control_client(self, service: str) -> ControlClient:
        """Return what stands in for aiobotocore's client of a service in `ONCE_A_RUN`."""
        return ControlClient(
            self._channels[service],
            service,
            otherwise=self._clients[service],
            timeout_s=self._settings.call_timeout_s,
        )

    async def aclose(self) -> None:
        """Close all connections, also while the caller is being cancelled; calls under way fail."""
        with anyio.CancelScope(
            shield=True
        ):  # the first wait would raise, and leave those of other services open
            for channels in self._channels.values():
                await channels.aclose()


@asynccontextmanager
async def open_data_plane(
    lookups: Iterable[Lookup],
    *,
    clients: Mapping[str, Any],
    credentials: Any,
    settings: AwsSettings,
    ca_bundle: str | None,
    reach: Reach,
) -> AsyncIterator[DataPlane]:
    """Yield the data plane; its connections are closed at the end. Arguments: see `DataPlane`."""
    data_plane = DataPlane(
        lookups,
        clients=clients,
        credentials=credentials,
        settings=settings,
        ca_bundle=ca_bundle,
        reach=reach,
    )
    try:
        yield data_plane
    finally:
        await data_plane.aclose()
