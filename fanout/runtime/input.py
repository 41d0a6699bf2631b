"""Opens the input that a configuration names: from this machine, or from S3 with the credentials of the run."""

from __future__ import annotations

import functools
from pathlib import Path

import anyio.to_thread
from anyio.from_thread import BlockingPortal

from fanout.config.model import Config
from fanout.ports import Clock, ObjectStore
from fanout.runtime import settings as compose
from fanout.runtime.night import choose
from fanout.runtime.remote_input import RemoteInput
from fanout.source.source import Source, open_part, open_source
from fanout.source.units import InputPart


async def open_input(
    config: Config,
    objects: ObjectStore,
    *,
    portal: BlockingPortal,
    clock: Clock,
    chosen: Path | None = None,
    part: InputPart | None = None,
) -> Source:
    """Return the input, which is the caller's to close.

    Args:
        config: Names it.
        objects: S3.
        portal: Leads from the threads that read to the event loop; open as long as the input is.
        clock: The run's clock.
        chosen: Where a run keeps which files it reads, if that is not all that its paths mean; None for no run.
        part: The part of it that a shard reads; None for all of it.

    Raises:
        NothingNew: The run takes what is new, and nothing is.
        InputError: It is not there, cannot be read, is not what it should be, or lacks a column.
        UsageError: The selection contradicts itself.
        RunError: It is in S3, and S3 does not permit it or does not answer.
    """
    remote = RemoteInput(objects, portal=portal, clock=clock)
    settings, selection = compose.input_settings(config), compose.selection(config)
    if part is not None:
        look = functools.partial(open_part, part, settings, selection, remote=remote)
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    inventory = await choose(config, objects, remote=remote, chosen=chosen, clock=clock)
    make = functools.partial(open_source, settings, selection, remote=remote, inventory=inventory)
    # A listing that hangs would hold up a run that is past its deadline; its thread ends when the portal closes.
    return await anyio.to_thread.run_sync(make, abandon_on_cancel=True)
