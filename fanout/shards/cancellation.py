"""Passes an order to stop to every shard of a run: a file beside the plan, at which each looks now and then."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from fanout.concurrency.threads import run_in_thread
from fanout.errors import UsageError
from fanout.rundir.paths import RunDirectory
from fanout.text import quoted

LOOK_S = 2.0


async def cancellation(whole: RunDirectory) -> AsyncIterator[str]:
    """Yield the reason to stop once the run in `whole` is cancelled, and end."""
    while not await run_in_thread(whole.cancel.exists):  # noqa: ASYNC110 - another host writes it
        await anyio.sleep(LOOK_S)
    yield "the run was cancelled (`fanout cancel`)"


def check_not_cancelled(whole: RunDirectory) -> None:
    """Return unless the run in `whole` is cancelled.

    Raises:
        UsageError: It is; a scheduler that starts the shard again must find another code than that of an interruption.
    """
    if whole.cancel.exists():
        raise UsageError(
            f"the run in {whole.path} was cancelled: `fanout resume {quoted(whole.path)}` goes on with it, "
            f"`fanout discard {quoted(whole.path)}` gives it up"
        )
