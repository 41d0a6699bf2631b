"""Configures botocore's clients: one attempt a call, a pool as large as the concurrency, quiet logs.

Retries are ours: botocore would make up to five hidden attempts inside one call, and with a reply lost after
the request was read it submits a row twice and reports one success.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fanout._version import __version__
from fanout.aws.regions import INLINE_REGIONS
from fanout.aws.sdk.queue import LONGEST_POLL_S, POLL_SLACK_S
from fanout.aws.settings import AwsSettings
from fanout.domain.location import dns_suffix

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig

ALWAYS = ("sagemaker-runtime", "sagemaker", "s3", "sns", "sqs")
"""The services that every run may call."""
SERVICES = (*ALWAYS, "cloudwatch", "sts")
NOISY = ("botocore", "aiobotocore", "boto3", "urllib3", "aiohttp")
"""At DEBUG these log bodies, session tokens and signatures."""
CREDENTIAL_ATTEMPTS = 3
"""Of a call that gets credentials, which does no harm twice; connecting in vain three times takes 15 s."""
TRACED = ("botocore.credentials", "aiobotocore.credentials")
"""These warn of each refresh that fails with 40 lines of traceback."""
MUST_KNOW = ("Body", "Filename", "S3OutputPathExtension")
"""Members of InvokeEndpointAsync, from botocore 1.43.29 on (`Body`) and 1.42.54 on (the others)."""


def client_config(service: str, settings: AwsSettings) -> AioConfig:
    """Return the configuration of one client.

    Args:
        service: One of `SERVICES`.
        settings: What the user set.
    """
    from aiobotocore.config import AioConfig

    read_timeout_s = LONGEST_POLL_S + POLL_SLACK_S if service == "sqs" else settings.call_timeout_s
    return AioConfig(
        connect_timeout=settings.connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=settings.max_connections,
        # Both are named on every client: botocore 1.44 changes the defaults.
        retries={"mode": "standard", "total_max_attempts": 1},
        # Uploads bring their own CRC32 (`s3_arguments`); what S3 stored with a checksum is compared on the way
        # back.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_supported",
        s3=_s3_options(settings) if service == "s3" else None,
        user_agent_extra=f"fanout/{__version__}",
    )


def session_config(settings: AwsSettings) -> AioConfig:
    """Return what holds for every client of a session, also those that find its credentials."""
    from aiobotocore.config import AioConfig

    from fanout.aws.sdk.guards import UnredirectedSession

    return AioConfig(
        http_session_cls=UnredirectedSession,
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.call_timeout_s,
        retries={"mode": "standard", "total_max_attempts": CREDENTIAL_ATTEMPTS},
    )


def is_aws(endpoint_url: str) -> bool:
    """Whether the url is one of AWS's own; botocore addresses buckets of any other by path, not by host."""
    return dns_suffix(urlsplit(endpoint_url).hostname or "") is not None


def invoke_members(model: Mapping[str, Any]) -> Collection[str]:
    """Return the members of InvokeEndpointAsync's input.

    Args:
        model: botocore's model of sagemaker-runtime, as read from its file.
    """
    operation = model["operations"].get("InvokeEndpointAsync", {})
    shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
    return frozenset(shape.get("members", ()))


def takes_inline(
    members: Collection[str], *, region: str, endpoint_url: str, regions: Collection[str] | None
) -> bool:
    """Whether a payload may travel in the request: botocore knows `Body`, and the region is one that takes it.

    Args:
        members: Of InvokeEndpointAsync's input.
        region: Where the endpoint is.
        endpoint_url: Where calls to it go. A server that is not AWS's, such as the simulator, takes payloads, too.
        regions: Those that do, as the user says; None for `INLINE_REGIONS`.
    """
    if regions is not None:
        return "Body" in members and region in regions
    return "Body" in members and (region in INLINE_REGIONS or not is_aws(endpoint_url))


def lacks(members: Collection[str]) -> tuple[str, ...]:
    """Return the members of InvokeEndpointAsync that a run needs and the installed botocore lacks."""
    return tuple(name for name in MUST_KNOW if name not in members)


def quieten() -> None:
    """Cap the loggers of the libraries below at INFO, whatever level the program asked for."""
    for name in NOISY:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:  # NOTSET, too: it would inherit DEBUG from the root
            logger.setLevel(logging.INFO)
    for name in TRACED:
        logging.getLogger(name).addFilter(_on_one_line)


def _on_one_line(record: logging.LogRecord) -> bool:
    """Put an error in the place of its traceback: what failed is reported, or tried again, by this program."""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        record.msg, record.args = f"{record.getMessage()} {type(error).__name__}: {error}", ()
        record.exc_info = None
    return True


def _s3_options(settings: AwsSettings) -> dict[str, object]:
    # Addressing is left alone: botocore takes path style wherever an endpoint url is set.
    if settings.endpoint_url is None or settings.endpoint_url.startswith("https:"):
        # TLS and the CRC32 protect the body, as in botocore's own uploads; hashing it again would cost as
        # much CPU as everything else in the call.
        return {"payload_signing_enabled": False}
    return {}
