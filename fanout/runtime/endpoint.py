"""Asks AWS about the endpoint before and during a run: its topics and paths, and whether it takes requests.

An error says in one sentence what is wrong and what to do. A role that may invoke but not describe still gets its run:
results are then found by listing, or through a queue that the configuration names.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from fanout.domain.failures import DENIED, NOT_PERMITTED
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, Phase, RunError
from fanout.ports import Clock, Control, Endpoint

_log = logging.getLogger(__name__)
SERVING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})
"""Statuses in which an endpoint takes requests (DescribeEndpoint, API reference)."""

CHECK_EVERY_S = 1.0
"""How often at most the endpoint is asked after in mid-run; rows that were refused wait for the next look together."""


def _say(error: CallError) -> None:
    """Say that a run has not begun yet, and why: it may take two minutes until it gives up."""
    if error.phase is Phase.CONNECT:  # said by `aws.reach`, with the server's name
        return
    _log.warning("sagemaker:DescribeEndpoint: %s; trying again", error.message or error.code)


async def discover(control: Control, name: str, *, clock: Clock) -> Endpoint | None:
    """Return the endpoint, or None if this role may not describe it.

    Raises:
        RunError: There is no such endpoint, it is not asynchronous, or it takes no requests now.
    """
    try:
        endpoint = await retry_call(
            lambda: control.describe(name), operation="sagemaker:DescribeEndpoint", clock=clock, retrying=_say
        )
    except CallError as error:
        if error.code in NOT_PERMITTED:
            _log.warning(
                "may not describe endpoint %s (sagemaker:DescribeEndpoint, sagemaker:DescribeEndpointConfig): "
                "results are found by listing unless a queue is named",
                name,
            )
            return None
        if error.code in DENIED:
            raise RunError(remedy("sagemaker:DescribeEndpoint", error)) from error
        raise RunError(
            f"endpoint {name!r}: {(error.message or error.code).rstrip('. ')}. Check the name and the region "
            "(aws sagemaker list-endpoints)."
        ) from error
    if endpoint.status not in SERVING:
        raise RunError(
            f"endpoint {name!r} is {endpoint.status}, not InService: wait for it "
            "(aws sagemaker wait endpoint-in-service), or look at its FailureReason."
        )
    return endpoint


def endpoint_check(control: Control, name: str, *, clock: Clock) -> Callable[[float], Awaitable[None]]:
    """Return a check for the middle of a run: it returns if the endpoint was there after the given instant.

    An earlier look proves nothing: a request that was refused since may have been refused for its absence.
    """
    looked_at = float("-inf")
    lock = anyio.Lock()

    async def check(since: float) -> None:
        nonlocal looked_at
        async with lock:
            if looked_at > since:
                return
            await clock.sleep_until(looked_at + CHECK_EVERY_S)
            began = clock.now()
            await discover(control, name, clock=clock)
            looked_at = began

    return check
