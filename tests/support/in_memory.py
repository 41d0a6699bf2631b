"""Sessions on the account in memory: what `open_session` opens is the real thing, but for AWS itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fanout.concurrency.clock import SystemClock
from fanout.runtime import session
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World


class RegionalCloud(MemoryCloud):
    """In a region, as an account of AWS is; `inline` says whether it takes payloads in the request there."""

    region = "eu-memory-1"

    def __init__(self, world: World, clock: SystemClock, *, inline: bool = True) -> None:
        super().__init__(world, clock)

        async def supports_inline() -> bool:
            return inline

        self.control.supports_inline = supports_inline  # type: ignore[method-assign]


class Account:
    """What sessions find instead of AWS.

    Attributes:
        log: What was opened and closed, in order.
        world: The account.
    """

    def __init__(self, settings: SimulatorSettings, *, inline: bool = True) -> None:
        self.clock = SystemClock()
        self.world = World(settings, now=self.clock.now())
        self.cloud = RegionalCloud(self.world, self.clock, inline=inline)
        self.log: list[str] = []

    @property
    def name(self) -> str:
        return self.world.settings.endpoint_name

    def noting(self, name: str, original):
        """Return `original`, a function that returns an async context manager, which is noted."""

        @asynccontextmanager
        async def noted(*arguments: object, **more: object) -> AsyncIterator[object]:
            async with original(*arguments, **more) as value:
                self.log.append(f"+{name}")
                try:
                    yield value
                finally:
                    self.log.append(f"-{name}")

        return noted


def in_memory(
    monkeypatch: pytest.MonkeyPatch, settings: SimulatorSettings | None = None, *, inline: bool = True
) -> Account:
    """Have every session find an account in memory, and return it."""
    account = Account(settings or SimulatorSettings(), inline=inline)

    @asynccontextmanager
    async def open_cloud(_settings: object) -> AsyncIterator[RegionalCloud]:
        invoker = account.cloud.invoker
        try:
            yield account.cloud
        finally:
            account.cloud.invoker = invoker  # a run has put others around it, which end with the run

    original = session.open_input

    async def open_input(*arguments, **more):
        source = await original(*arguments, **more)
        account.log.append("+source")
        close = source.aclose

        async def aclose() -> None:
            account.log.append("-source")
            await close()

        source.aclose = aclose
        return source

    monkeypatch.setattr(session, "local_aws", account.noting("local", session.local_aws))
    monkeypatch.setattr(session, "open_cloud", account.noting("cloud", open_cloud))
    monkeypatch.setattr(session, "open_input", open_input)
    monkeypatch.setattr(session, "open_run_queue", account.noting("queue", session.open_run_queue))
    return account
