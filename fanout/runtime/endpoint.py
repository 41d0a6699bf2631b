"""Asks AWS about the endpoint before and during a run: its topics and paths, and whether it takes requests.

An error says in one sentence what is wrong and what to do. A role that may invoke but not describe still gets its run:
results are then found by listing, or through a queue that the configuration names.
"""

from __future__ import annotations

import logging

import anyio

from fanout.domain.failures import DENIED, MISSING, NOT_PERMITTED
from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, Phase, RunError
from fanout.ports import SERVING, Clock, Control, Endpoint

_log = logging.getLogger(__name__)

CHECK_EVERY_S = 1.0
"""How often at most the endpoint is asked after in mid-run; rows that were refused wait for the next look together."""

START_PATIENCE_S = 120.0
"""How long the start of a run asks an AWS that does not answer or refuses the credentials: a refresh, a bad minute."""

LOOK_PATIENCE_S = 10.0
"""How long a verb asks that sends nothing, and whose answer a person waits for."""

NO_SUCH_ENDPOINT = MISSING | {"ValidationException"}
"""DescribeEndpoint's codes for a name that it does not know: "Could not find endpoint"."""


def _say(error: CallError) -> None:
    """Say that a run has not begun yet, and why: it may take two minutes until it gives up."""
    if error.phase is Phase.CONNECT:  # said by `aws.reach`, with the server's name
        return
    _log.warning("sagemaker:DescribeEndpoint: %s; trying again", error.message or error.code)


async def discover(
    control: Control, name: str, *, clock: Clock, patience_s: float = START_PATIENCE_S
) -> Endpoint | None:
    """Return the endpoint, or None if this role may not describe it.

    Args:
        control: Describes it.
        name: Its name.
        clock: The session's clock.
        patience_s: Seconds in which a call that failed is made again.

    Raises:
        RunError: There is no such endpoint, it is not asynchronous, or it takes no requests now.
    """
    try:
        endpoint = await retry_call(
            lambda: control.describe(name),
            operation="sagemaker:DescribeEndpoint",
            clock=clock,
            give_up_after_s=patience_s,
            retrying=_say,
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
    if not endpoint.serves:
        raise RunError(
            f"endpoint {name!r} is {endpoint.status}, not InService: wait for it "
            "(aws sagemaker wait endpoint-in-service), or look at its FailureReason."
        )
    return endpoint


class EndpointCheck:
    """Asks in mid-run whether the endpoint still serves; an error says what becomes of the run's rows.

    Args:
        control: Describes the endpoint.
        name: Its name.
        clock: The run's clock.
    """

    def __init__(self, control: Control, name: str, *, clock: Clock) -> None:
        self._control = control
        self._name = name
        self._clock = clock
        self._looked_at = float("-inf")
        self._lock = anyio.Lock()

    async def __call__(self, since: float) -> None:
        """Return if the endpoint was there after the instant `since`, when it refused a row.

        An earlier look proves nothing: a request that was refused since may have been refused for its absence.

        Raises:
            RunError: It is gone, it serves no more, or it cannot be told: then the refusal may be about the endpoint.
        """
        async with self._lock:
            if self._looked_at > since:
                return
            await self._clock.sleep_until(self._looked_at + CHECK_EVERY_S)
            began = self._clock.now()
            try:
                await retry_call(
                    self._look, operation="sagemaker:DescribeEndpoint", clock=self._clock, retrying=_say
                )
            except CallError as error:
                if error.code not in NOT_PERMITTED:
                    raise RunError(remedy("sagemaker:DescribeEndpoint", error)) from error
            self._looked_at = began

    async def look(self) -> None:
        """Return unless the endpoint certainly serves no more; asked when results are overdue.

        A call that is denied, throttled or lost tells nothing of the endpoint, and the next look comes anyway.

        Raises:
            RunError: It is gone, or its status is one in which it serves no request.
        """
        try:
            await self._look()
        except CallError as error:
            _log.info("cannot tell whether endpoint %s still serves: %s", self._name, error)

    async def _look(self) -> None:
        try:
            status = await self._control.status(self._name)
        except CallError as error:
            if error.phase is Phase.REPLY and error.code in NO_SUCH_ENDPOINT:
                raise self._ended(f"is gone ({error.message or error.code})") from error
            raise
        if status not in SERVING:
            raise self._ended(f"is {status}, not InService any more")

    def _ended(self, how: str) -> RunError:
        return RunError(
            f"endpoint {self._name!r} {how}: look at its FailureReason, or in CloudTrail for the change. Results that "
            "stand in S3 are collected. What it had accepted and never answers ends without a result at the rows' "
            "deadlines (TTL and invocation timeout); what it had not accepted is sent once an endpoint of this name "
            "serves again"
        )


def endpoint_check(control: Control, name: str, *, clock: Clock) -> EndpointCheck:
    """Return the check of the endpoint for the middle of a run; see `EndpointCheck`."""
    return EndpointCheck(control, name, clock=clock)
