"""Starts the local AWS of a `--local` run, in a process of its own, and stops it after the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fanout.config.errors import explain
from fanout.config.model import Config
from fanout.errors import UsageError
from fanout.simulator.address import SimulatorAddress

__all__ = ["SimulatorAddress", "local_aws"]

DEFAULTS = {
    "instances": 4,
    "concurrency_per_instance": 64,
    "service_time": {"median_s": 0.03, "sigma": 0.3},
    "verify_signatures": True,
}
"""A quick, well-behaved endpoint: what a person sees in the first minute is the program, not the waiting."""


@asynccontextmanager
async def local_aws(config: Config) -> AsyncIterator[SimulatorAddress | None]:
    """Yield the local AWS if the configuration asks for it, else None.

    Raises:
        UsageError: Its settings do not fit; names each.
        RunError: It does not start.
    """
    if not config.local.enabled:
        yield None
        return
    from pydantic import ValidationError

    from fanout.simulator.process import start
    from fanout.simulator.settings import SimulatorSettings

    try:
        settings = SimulatorSettings.model_validate(DEFAULTS | config.local.simulator)
    except ValidationError as error:
        problems = (f"[local.simulator] {problem}" for problem in explain(error, SimulatorSettings))
        raise UsageError(*problems) from error
    async with start(settings) as simulator:
        yield simulator
