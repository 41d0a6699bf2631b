"""Makes the policy document that a configuration needs, from what AWS says of its endpoint if it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fanout.commands.infra.permissions import policy
from fanout.commands.infra.uses import Verb, placeholders, uses_of
from fanout.config.model import Config, InputSection
from fanout.domain.failures import NOT_PERMITTED
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Endpoint
from fanout.runtime import settings as compose
from fanout.runtime.session import open_session

OFFLINE = "AWS was not asked (--offline)"


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
class Granted:
    """A policy document.

    Attributes:
        document: As IAM takes it.
        placeholders: What stands in it for names that are not known, and is to be replaced.
        why: Why they are not known; empty if nothing is missing.
    """

    document: Mapping[str, object]
    placeholders: tuple[str, ...] = ()
    why: str = ""


def grant(config: Config, verb: Verb, described: Described, *, account_id: str | None) -> Granted:
    """Return the policy of `verb`; pure.

    Args:
        config: The configuration of the run.
        verb: What the role is to do.
        described: The endpoint.
        account_id: The account, where a person says so.

    Raises:
        UsageError: The configuration names no endpoint, or is for the local AWS.
    """
    uses = uses_of(config, verb, endpoint=described.endpoint, region=described.region, account_id=account_id)
    standing = tuple(placeholders(uses))
    return Granted(policy(uses), standing, described.why_not if standing else "")


async def describe(config: Config) -> Described:
    """Ask AWS about the endpoint; what it does not tell, or cannot be asked, is no error here."""
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
