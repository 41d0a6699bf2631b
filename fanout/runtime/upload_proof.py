"""Proves that uploads to a place in S3 are permitted: begins one and aborts it, so that nothing needs to be deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from fanout.domain.remedies import remedy
from fanout.engine.retrying import retry_call
from fanout.errors import CallError, RunError
from fanout.ports import Clock, Upload

ABORT_WITHIN_S = 30.0
"""An abort is waited for no longer than this, also while its caller is being cancelled."""
_ABORT = "s3:AbortMultipartUpload"


async def prove_upload(
    begin: Callable[[], Awaitable[Upload]], *, uri: str, clock: Clock, warn: Callable[[str], None]
) -> None:
    """Return if an upload could be begun; it is aborted again.

    Args:
        begin: Begins it.
        uri: Where to, for the warning.
        clock: The run's clock.
        warn: Called with what a person should know if the upload stays.

    Raises:
        RunError: As `begin` does.
        CallError: As `begin` does.
    """
    upload = await begin()
    problem = f"no answer within {ABORT_WITHIN_S:g} s"
    with anyio.move_on_after(ABORT_WITHIN_S, shield=True):
        try:
            await retry_call(upload.abort, operation=_ABORT, clock=clock)
        except CallError as error:
            problem = remedy(_ABORT, error)
        except RunError as error:
            problem = str(error)
        else:
            return
    warn(f"an upload to {uri} that was begun to see whether it may be stays: {problem}")
