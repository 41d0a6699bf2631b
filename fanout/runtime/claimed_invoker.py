"""Sends nothing once the claim on a run's output in S3 may be another's."""

from __future__ import annotations

from fanout.domain.records import Invocation, Reply
from fanout.ports import Invoker
from fanout.runtime.object_claim import ObjectClaim


class ClaimedInvoker:
    """`ports.Invoker` that sends nothing once the claim on the output may be another's.

    Args:
        invoker: Sends.
        claim: The run's claim.
    """

    def __init__(self, invoker: Invoker, claim: ObjectClaim) -> None:
        self._invoker = invoker
        self._claim = claim

    async def invoke(self, invocation: Invocation) -> Reply:
        """Return the checked 202; see `ports.Invoker`.

        Raises:
            JournalError: The claim was taken over: nothing was sent.
        """
        await self._claim.ensure()
        return await self._invoker.invoke(invocation)
