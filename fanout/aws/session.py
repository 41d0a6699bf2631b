"""Opens AWS: `AwsSettings` enter, an `AwsCloud` (`ports.Cloud`) leaves; whoever opens it closes it.

Clients are opened once and shared; credentials are looked up once and refreshed by one call at a time. What
is missing (profile, region, credentials, an SDK that is too old) is said here, with the next step.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import botocore
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ProfileNotFound

from fanout.aws.clients import SERVICES, client_config, lacks, quieten, takes_inline
from fanout.aws.control import AwsControl
from fanout.aws.credentials import SharedCredentials, SharedResolver
from fanout.aws.errors import to_call_error
from fanout.aws.http.data_plane import DataPlane, open_data_plane
from fanout.aws.model_pruning import prune
from fanout.aws.run_queue import RunQueues
from fanout.aws.sdk.invoker import SageMakerInvoker
from fanout.aws.sdk.objects import S3Objects
from fanout.aws.sdk.queue import SqsQueue
from fanout.aws.settings import AwsSettings
from fanout.errors import RunError
from fanout.ports import Control, Invoker, ObjectStore, Queue

__all__ = ["AwsCloud", "AwsSettings", "Keys", "open_cloud"]

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials as they are now, for a library that signs by itself (pyarrow); never stored."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)


class AwsCloud:
    """`ports.Cloud`: one account and region of AWS, or the simulator behind the same wire format.

    Args:
        clients: An open aiobotocore client for each of `SERVICES`.
        credentials: What they sign with.
        settings: What they were opened with.
        region: The region they talk to.
        plane: What makes the calls of each record instead of the clients, if it is open.
    """

    invoker: Invoker
    objects: ObjectStore
    control: Control

    def __init__(
        self,
        clients: Mapping[str, Any],
        *,
        credentials: Any,
        settings: AwsSettings,
        region: str,
        data_plane: DataPlane | None = None,
    ) -> None:
        runtime = clients["sagemaker-runtime"]
        timeout_s = settings.call_timeout_s
        self.region = region
        invoker = SageMakerInvoker(runtime, timeout_s=timeout_s)
        objects = S3Objects(clients["s3"], settings=settings)
        self.invoker = data_plane.invoker(invoker) if data_plane else invoker
        self.objects = data_plane.objects(objects) if data_plane else objects
        self.control = AwsControl(
            clients["sagemaker"],
            run_queues=RunQueues(clients["sqs"], clients["sns"], timeout_s=timeout_s),
            timeout_s=timeout_s,
            inline=takes_inline(
                runtime.meta.service_model, region=region, endpoint_url=runtime.meta.endpoint_url
            ),
        )
        self._clients = clients
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
        """Return where calls to `service` (one of `SERVICES`) go: environment and profile included."""
        url: str = self._clients[service].meta.endpoint_url
        return url

    async def keys(self) -> Keys:
        """Return the credentials, refreshed if need be.

        Raises:
            CallError: They have expired and cannot be refreshed.
        """
        try:
            frozen = await self._credentials.get_frozen_credentials()
        except Exception as error:
            raise to_call_error(error) from error
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


@asynccontextmanager
async def open_cloud(settings: AwsSettings) -> AsyncIterator[AwsCloud]:
    """Yield AWS as `settings` name it; its connections are closed at the end.

    Raises:
        RunError: Profile, region or credentials are missing or unusable, or the installed botocore is too
            old.
    """
    quieten()
    session = AioSession(profile=settings.profile)
    region = _region(session, settings)
    credentials = await _credentials(session, settings)
    async with AsyncExitStack() as stack:
        try:
            for service in SERVICES:
                prune(session.get_component("data_loader"), service)
            clients = {
                service: await stack.enter_async_context(
                    session.create_client(
                        service,
                        region_name=region,
                        endpoint_url=settings.endpoint_url,
                        config=client_config(service, settings),
                    )
                )
                for service in SERVICES
            }
        except (BotoCoreError, ValueError) as error:
            raise RunError(
                f"AWS clients cannot be set up: {error}. Check the region and the endpoint url."
            ) from error
        _check_model(clients["sagemaker-runtime"])
        if isinstance(credentials, SharedCredentials):
            for client in clients.values():
                client.meta.events.register("after-call", _expiry_watch(credentials))
        data_plane = None
        if settings.client == "wire":
            ca_bundle = session.get_config_variable("ca_bundle")
            data_plane = await stack.enter_async_context(
                open_data_plane(clients, credentials=credentials, settings=settings, ca_bundle=ca_bundle)
            )
        yield AwsCloud(
            clients, credentials=credentials, settings=settings, region=region, data_plane=data_plane
        )


def _region(session: AioSession, settings: AwsSettings) -> str:
    try:
        # botocore itself knows AWS_DEFAULT_REGION alone; AWS_REGION is what Lambda, ECS and the other SDKs set.
        region: str | None = (
            settings.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        )
    except ProfileNotFound as error:
        known = ", ".join(session.available_profiles) or "none"
        raise RunError(
            f"AWS profile {settings.profile or session.profile!r} does not exist (there are: {known}). "
            "Name one of them (--profile, AWS_PROFILE), or create it with `aws configure --profile NAME`."
        ) from error
    except BotoCoreError as error:  # an unreadable ~/.aws/config
        raise RunError(
            f"AWS configuration: {error}. Repair the file, or point AWS_CONFIG_FILE elsewhere."
        ) from error
    if not region:
        raise RunError(
            "No AWS region: set --region, AWS_REGION, AWS_DEFAULT_REGION, or `region` in the profile."
        )
    return region


async def _credentials(session: AioSession, settings: AwsSettings) -> Any:
    """Return credentials that sign now, so that a login that has run out is said before anything else."""
    try:
        if settings.access_key_id is not None:
            session.set_credentials(
                settings.access_key_id, settings.secret_access_key, settings.session_token
            )
        else:
            chain = session.get_component("credential_provider")
            session.register_component("credential_provider", SharedResolver(chain))
        credentials = await session.get_credentials()
        if credentials is not None:
            await credentials.get_frozen_credentials()
    except Exception as error:
        raise RunError(
            f"AWS credentials cannot be used: {error}. Sign in again (`aws sso login`), or check the "
            "profile, the role it assumes, and AWS_* in the environment."
        ) from error
    if credentials is None:
        raise RunError(
            "No AWS credentials: set AWS_PROFILE, run `aws configure` or `aws sso login`, or give the "
            "machine a role (instance profile, ECS task role, AWS Batch job role)."
        )
    return credentials


def _check_model(runtime: Any) -> None:
    missing = lacks(runtime.meta.service_model)
    if missing:
        raise RunError(
            f"botocore {botocore.__version__} does not know {', '.join(missing)} of InvokeEndpointAsync: "
            "install 1.43.29 or later (`pip install 'botocore>=1.43.29,<1.44'`), and unset AWS_DATA_PATH."
        )


def _expiry_watch(credentials: SharedCredentials) -> Any:
    """Return an event handler that has the credentials refreshed when AWS calls them expired."""

    def watch(parsed: Mapping[str, Any], **_: object) -> None:
        if parsed.get("Error", {}).get("Code") in _EXPIRED:
            credentials.distrust()

    return watch
