"""Starts aiobotocore: finds region and credentials, and opens clients that share them.

Credentials are looked up once and refreshed by one call at a time. It imports aiobotocore, which costs 0.3 s of CPU,
so the functions that need this module import it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

from fanout.aws.call_errors import to_call_error
from fanout.aws.clients import client_config, session_config
from fanout.aws.credentials import SharedCredentials, SharedResolver
from fanout.aws.errors import CREDENTIALS
from fanout.aws.http.dialer import check_bundle
from fanout.aws.mfa import ask_for_code
from fanout.aws.model_pruning import prune
from fanout.aws.reach import Reach
from fanout.aws.sdk.guards import guard, keep_metadata_here
from fanout.aws.settings import AwsSettings
from fanout.concurrency.threads import run_in_thread
from fanout.domain.failures import EXPIRED
from fanout.domain.remedies import remedy
from fanout.errors import CallError, Phase, RunError


@dataclass(frozen=True, slots=True)
class Sdk:
    """aiobotocore's session of one account.

    Attributes:
        session: The session.
        region: The region that clients talk to.
        credentials: What they sign with; signed with once already.
        settings: What the user set.
        reach: Which servers were reached.
    """

    session: AioSession
    region: str
    credentials: Any
    settings: AwsSettings
    reach: Reach

    async def open_client(self, stack: AsyncExitStack, service: str) -> Any:
        """Return an open client.

        Args:
            stack: Closes it.
            service: One of `fanout.aws.clients.SERVICES`.

        Raises:
            RunError: Region or endpoint url are unusable.
        """
        try:
            await run_in_thread(
                partial(self._load, service)
            )  # as importing: parsing may not hold up requests
            client = await stack.enter_async_context(
                self.session.create_client(
                    service,
                    region_name=self.region,
                    endpoint_url=self.settings.endpoint_url,
                    config=client_config(service, self.settings),
                )
            )
        except (BotoCoreError, ValueError) as error:
            raise RunError(
                f"AWS clients cannot be set up: {error}. Check the region and the endpoint url."
            ) from error
        guard(client, self.reach)
        if isinstance(self.credentials, SharedCredentials):
            client.meta.events.register("after-call", _expiry_watch(self.credentials))
        return client

    def _load(self, service: str) -> None:
        """Have botocore's loader read what a client is made of; it keeps it."""
        loader = self.session.get_component("data_loader")
        prune(loader, service)
        loader.load_service_model(service, "service-2")
        loader.load_service_model(service, "endpoint-rule-set-1")

    def model(self, service: str) -> Mapping[str, Any]:
        """Return the model that clients of `service` are made of."""
        model: Mapping[str, Any] = self.session.get_component("data_loader").load_service_model(
            service, "service-2"
        )
        return model

    @property
    def ca_bundle(self) -> str | None:
        """The authorities that servers are verified by; None for botocore's."""
        bundle: str | None = self.session.get_config_variable("ca_bundle")
        return bundle


async def start_sdk(settings: AwsSettings, reach: Reach) -> Sdk:
    """Return a session whose credentials sign now.

    Args:
        settings: What the user set.
        reach: Which servers were reached.

    Raises:
        RunError: Profile, region or credentials are missing or unusable.
    """
    session = AioSession(profile=settings.profile)
    region = _region(session, settings.region)
    # For the clients that the credential chain makes for itself (STS, SSO): a profile that assumes a role need not
    # name a region, and a dead network need not be tried for minutes.
    session.set_config_variable("region", region)
    session.set_default_client_config(session_config(settings))
    check_bundle(session.get_config_variable("ca_bundle"))
    return Sdk(session, region, await _credentials(session, settings), settings, reach)


def region_named(*, region: str | None, profile: str | None) -> str:
    """Return the region that a run would talk to.

    Raises:
        RunError: None is named anywhere, there is no such profile, or the files cannot be read.
    """
    return _region(AioSession(profile=profile), region)


def _region(session: AioSession, named: str | None) -> str:
    try:
        session.get_scoped_config()  # a profile that is not there is one, too, where the region is named elsewhere
        # botocore itself knows AWS_DEFAULT_REGION alone; AWS_REGION is what Lambda, ECS and the other SDKs set.
        region: str | None = named or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    except ProfileNotFound as error:
        known = ", ".join(session.available_profiles) or "none"
        raise RunError(
            f"AWS profile {session.profile!r} does not exist (there are: {known}). "
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
    """Return credentials that sign now, so that a login that has run out is reported before anything else."""
    try:
        if settings.access_key_id is not None:
            session.set_credentials(
                settings.access_key_id, settings.secret_access_key, settings.session_token
            )
        else:
            chain = session.get_component("credential_provider")
            keep_metadata_here(chain)
            ask_for_code(chain)
            session.register_component("credential_provider", SharedResolver(chain))
        credentials = await session.get_credentials()
        if credentials is not None:
            await credentials.get_frozen_credentials()
    except Exception as error:
        cause = error.__cause__ or error  # what `SharedCredentials` was told by the provider
        if isinstance(cause, RunError):
            raise cause from error
        told = to_call_error(cause if isinstance(cause, Exception) else error)
        refused = isinstance(cause, ClientError | CallError)
        if refused or (told.phase is Phase.CONNECT and told.code != CREDENTIALS):
            raise RunError(f"AWS credentials cannot be had: {remedy('STS or SSO', told)}") from error
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


def _expiry_watch(credentials: SharedCredentials) -> Any:
    """Return an event handler that has the credentials refreshed when AWS calls them expired."""

    def watch(parsed: Mapping[str, Any], **_: object) -> None:
        if parsed.get("Error", {}).get("Code") in EXPIRED:
            credentials.distrust()

    return watch
