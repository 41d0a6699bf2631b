"""Opens AWS as `AwsSettings` name it and yields an `AwsCloud` (`ports.Cloud`).

Where AWS is reached in the plain way (`http.plain`), our own HTTP client makes the calls, and aiobotocore is imported
for what it alone can do. Elsewhere all its clients are opened. What is missing (profile, region, credentials, an SDK
that is too old) is reported here, with the next step.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fanout.aws.clients import ALWAYS, SERVICES, invoke_members, lacks, quieten, takes_inline
from fanout.aws.control import AwsControl
from fanout.aws.http.data_plane import ONCE_A_RUN, PER_RECORD, DataPlane, open_data_plane
from fanout.aws.http.dialer import check_bundle
from fanout.aws.http.endpoint_lookup import EndpointLookup
from fanout.aws.http.plain import PlainAws, plain_aws
from fanout.aws.http.plain_lookup import PlainLookup, service_url
from fanout.aws.http.sigv4 import Keys
from fanout.aws.lazy_clients import LazyClients, installed_model
from fanout.aws.leftovers import AwsLeftovers
from fanout.aws.reach import Reach
from fanout.aws.run_queue import RunQueues
from fanout.aws.sdk.invoker import SageMakerInvoker
from fanout.aws.sdk.objects import S3Objects
from fanout.aws.sdk.queue import SqsQueue
from fanout.aws.settings import AwsSettings
from fanout.concurrency.threads import run_in_thread
from fanout.domain.leftovers import Leftovers
from fanout.errors import RunError
from fanout.ports import Control, Invoker, ObjectStore, Queue

if TYPE_CHECKING:
    from fanout.aws.sdk_session import Sdk

__all__ = ["AwsCloud", "AwsSettings", "Keys", "open_cloud"]


class AwsCloud:
    """`ports.Cloud`: one account and region of AWS, or the simulator behind the same protocols.

    Args:
        clients: An aiobotocore client for each of `SERVICES`.
        credentials: What they sign with.
        settings: What they were opened with.
        region: The region they talk to.
        urls: Where calls to each service go.
        inline: Whether a payload may travel in the request.
        data_plane: What makes the calls of each record instead of the clients, if it is open.
        control_clients: What makes the calls that are made once a run, if not the clients.
    """

    invoker: Invoker
    objects: ObjectStore
    control: Control
    leftovers: Leftovers

    def __init__(
        self,
        clients: Mapping[str, Any],
        *,
        credentials: Any,
        settings: AwsSettings,
        region: str,
        urls: Mapping[str, str],
        inline: bool,
        data_plane: DataPlane | None = None,
        control_clients: Mapping[str, Any] | None = None,
    ) -> None:
        controls = control_clients or clients
        timeout_s = settings.call_timeout_s
        self.region = region
        invoker = SageMakerInvoker(clients["sagemaker-runtime"], timeout_s=timeout_s)
        objects = S3Objects(clients["s3"], settings=settings)
        self.invoker = data_plane.invoker(invoker) if data_plane else invoker
        self.objects = data_plane.objects(objects) if data_plane else objects
        self.control = AwsControl(
            controls["sagemaker"],
            cloudwatch=controls["cloudwatch"],
            sts=controls["sts"],
            run_queues=RunQueues(controls["sqs"], controls["sns"], timeout_s=timeout_s),
            timeout_s=timeout_s,
            inline=inline,
        )
        self.leftovers = AwsLeftovers(controls["sqs"], controls["sns"], clients["s3"], settings=settings)
        self._clients = clients
        self._urls = urls
        self._credentials = credentials
        self._timeout_s = timeout_s
        self._data_plane = data_plane

    def __repr__(self) -> str:
        return f"AwsCloud(region={self.region!r}, runtime={self.endpoint_url('sagemaker-runtime')!r})"

    def queue(self, url: str) -> Queue:
        """Return the queue at `url`."""
        queue = SqsQueue(self._clients["sqs"], url, timeout_s=self._timeout_s)
        return self._data_plane.queue(url, queue) if self._data_plane else queue

    def endpoint_url(self, service: str) -> str:
        """Return where calls to `service` (one of `ALWAYS`) go: environment and profile included."""
        return self._urls[service]

    async def keys(self) -> Keys:
        """Return the credentials, refreshed if need be.

        Raises:
            CallError: They have expired and cannot be refreshed.
        """
        try:
            frozen = await self._credentials.get_frozen_credentials()
        except Exception as error:
            from fanout.aws.call_errors import to_call_error

            raise to_call_error(error) from error
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Keys that never change, where botocore's credentials are expected."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)

    async def get_frozen_credentials(self) -> StaticCredentials:
        """Return the keys as they are now."""
        return self


@asynccontextmanager
async def open_cloud(settings: AwsSettings) -> AsyncIterator[AwsCloud]:
    """Yield AWS as `settings` name it; its connections are closed at the end.

    Raises:
        RunError: Profile, region or credentials are missing or unusable, or the installed botocore is too
            old.
    """
    quieten()
    plain = plain_aws(settings, os.environ)
    async with _open_plain(settings, plain) if plain else _open_by_botocore(settings) as cloud:
        yield cloud


def missing_region(*, region: str | None, profile: str | None) -> str | None:
    """Return what is wrong with how the region is named, and the next step; None if it is known.

    Args:
        region: What the configuration names.
        profile: Likewise.
    """
    if region or os.environ.get("AWS_REGION"):
        return None
    from fanout.aws.sdk_session import region_named

    try:
        region_named(region=region, profile=profile)
    except RunError as error:
        return str(error)
    return None


@asynccontextmanager
async def _open_plain(settings: AwsSettings, aws: PlainAws) -> AsyncIterator[AwsCloud]:
    """Yield AWS by our own HTTP client; aiobotocore makes what calls are left, once there is one."""
    check_bundle(aws.ca_bundle)
    reach = Reach()
    urls = {service: service_url(service, aws) for service in SERVICES}
    members = invoke_members(installed_model("sagemaker-runtime"))
    _check_model(members)
    sdk: Sdk | None = None
    credentials: Any
    if aws.keys is not None:
        credentials = StaticCredentials(
            aws.keys.access_key_id, aws.keys.secret_access_key, aws.keys.session_token
        )
    else:
        sdk = await _start_sdk(settings, reach)
        credentials = sdk.credentials

    async def start() -> Sdk:
        return sdk or await _start_sdk(settings, reach)

    async with LazyClients(start) as lazy:
        clients = {service: lazy.client(service) for service in SERVICES}
        lookups = [
            PlainLookup(service, aws, otherwise=partial(lazy.open_lookup, service)) for service in SERVICES
        ]
        async with open_data_plane(
            lookups,
            clients=clients,
            credentials=credentials,
            settings=settings,
            ca_bundle=aws.ca_bundle,
            reach=reach,
        ) as data_plane:
            yield AwsCloud(
                clients,
                credentials=credentials,
                settings=settings,
                region=aws.region,
                urls=urls,
                inline=_takes_inline(members, aws.region, urls, settings),
                data_plane=data_plane,
                control_clients={each: data_plane.control_client(each) for each in ONCE_A_RUN},
            )


@asynccontextmanager
async def _open_by_botocore(settings: AwsSettings) -> AsyncIterator[AwsCloud]:
    """Yield AWS with all of aiobotocore's clients open, which know where calls go."""
    reach = Reach()
    sdk = await _start_sdk(settings, reach)
    async with AsyncExitStack() as stack:
        clients = {service: await sdk.open_client(stack, service) for service in ALWAYS}
        members = invoke_members(sdk.model("sagemaker-runtime"))
        _check_model(members)
        urls = {service: str(client.meta.endpoint_url) for service, client in clients.items()}

        async def start() -> Sdk:
            return sdk

        lazy = await stack.enter_async_context(LazyClients(start))
        clients |= {service: lazy.client(service) for service in SERVICES if service not in ALWAYS}
        data_plane = None
        if settings.client == "wire":
            data_plane = await stack.enter_async_context(
                open_data_plane(
                    [EndpointLookup(clients[service]) for service in PER_RECORD],
                    clients=clients,
                    credentials=sdk.credentials,
                    settings=settings,
                    ca_bundle=sdk.ca_bundle,
                    reach=reach,
                )
            )
        yield AwsCloud(
            clients,
            credentials=sdk.credentials,
            settings=settings,
            region=sdk.region,
            urls=urls,
            inline=_takes_inline(members, sdk.region, urls, settings),
            data_plane=data_plane,
        )


async def _start_sdk(settings: AwsSettings, reach: Reach) -> Sdk:
    # On a thread: in the midst of a run, 0.3 s of imports would hold up every request that is due.
    await run_in_thread(partial(importlib.import_module, "fanout.aws.sdk_session"))
    from fanout.aws.sdk_session import start_sdk

    return await start_sdk(settings, reach)


def _takes_inline(
    members: Collection[str], region: str, urls: Mapping[str, str], settings: AwsSettings
) -> bool:
    url = urls["sagemaker-runtime"]
    return takes_inline(members, region=region, endpoint_url=url, regions=settings.inline_regions)


def _check_model(members: Collection[str]) -> None:
    missing = lacks(members)
    if missing:
        from importlib.metadata import version

        raise RunError(
            f"botocore {version('botocore')} does not know {', '.join(missing)} of InvokeEndpointAsync: "
            "install 1.43.29 or later (`pip install 'botocore>=1.43.29,<1.44'`), and unset AWS_DATA_PATH."
        )
