"""What tests of the ports in memory share: a request, a mailbox, and a failed call taken apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fanout.domain.records import Invocation, Options
from fanout.errors import CallError, Phase
from fanout.ports import RunQueue
from fanout.simulator.ports.cloud import MemoryCloud

START = 1_000.0
RUN = "abcdefghij"


def invocation(row: int = 0, **changes: object) -> Invocation:
    """Return an inline request of one row."""
    fields: dict[str, object] = {
        "endpoint": "simulated",
        "inference_id": f"{RUN}.{row}.0.1",
        "output_extension": f"fanout/{RUN}/{row:02x}",
        "filename": f"{row}.0",
        "options": Options(),
        "body": b"payload",
    }
    return Invocation(**(fields | changes))


async def mailbox_of(cloud: MemoryCloud) -> RunQueue:
    """Return the run's mailbox, subscribed to the endpoint's topics."""
    described = await cloud.control.describe("simulated")
    return await cloud.control.open_run_queue(RUN, described.topics)


@asynccontextmanager
async def failing(phase: Phase, code: str, *, status: int | None) -> AsyncIterator[None]:
    """The calls inside end in a `CallError` of exactly these facts."""
    with pytest.raises(CallError) as caught:
        yield
    assert (caught.value.phase, caught.value.code, caught.value.status) == (phase, code, status)
