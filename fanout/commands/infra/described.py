"""Asks AWS about the endpoint, and holds a document with what could not be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.config.model import Config, InputSection
from fanout.domain.failures import NOT_PERMITTED
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError, UsageError
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.session import open_session

OFFLINE = "AWS was not asked (--offline)."


@dataclass(frozen=True, slots=True)
class Described:
    """What could be learnt of the endpoint.

    Attributes:
        endpoint: What AWS says of it; None if it could not be asked.
        region: The region; None if it is not known.
        why_not: Why it could not be asked; empty if it was.
    """

    endpoint: Endpoint | None
    region: str | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A policy or a template.

    Attributes:
        content: As AWS takes it.
        placeholders: What stands in it for names that are not known, and is to be replaced.
        why: Why they are not known; empty if nothing is missing.
    """

    content: Mapping[str, object]
    placeholders: tuple[str, ...] = ()
    why: str = ""


def refuse_local(config: Config) -> None:
    """Raise UsageError if the configuration is for the local AWS."""
    if config.local.enabled:
        raise UsageError("the local AWS asks for no rights, and has its queues already: leave out --local")


async def describe(config: Config) -> Described:
    """Ask AWS about the endpoint; what it does not tell, or cannot be asked, is no error here.

    Raises:
        UsageError: The configuration names no endpoint, or is for the local AWS.
    """
    refuse_local(config)
    name = compose.required(config.endpoint.name, "no endpoint: name it with --endpoint")
    region = config.endpoint.region
    asking = config.model_copy(update={"input": InputSection()})  # nothing is read of it
    try:
        async with open_session(asking) as session:
            region = session.cloud.region
            endpoint = await retry_call(
                lambda: session.cloud.control.describe(name),
                operation="sagemaker:DescribeEndpoint",
                clock=session.clock,
            )
            return Described(endpoint, region)
    except CallError as error:
        right = "sagemaker:DescribeEndpoint is not granted: " if error.code in NOT_PERMITTED else ""
        return Described(None, region, f"{right}{error.message or error.code}")
    except RunError as error:
        return Described(None, region, str(error))
