"""Stops all shards of a run in order, wherever they are, and has none started again."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import UsageError
from fanout.files import write_new
from fanout.rundir.journal import count_states
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import read_plan
from fanout.text import iso


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a cancelled run looks like.

    Attributes:
        finished: Shards that had finished.
        running: Shards that are at work and will stop.
        shards: How many there are.
    """

    finished: int
    running: int
    shards: int


def cancel(path: Path) -> Cancelled:
    """Have every shard of the run in `path` stop in order; what was collected is durable.

    Raises:
        UsageError: There is no such run, or it has finished.
        StorageError: The disk is full or failed.
    """
    directory = RunDirectory(path.absolute())
    plan = read_plan(directory)
    if directory.summary.exists():
        raise UsageError(f"the run in {directory.path} has finished: there is nothing to stop")
    write_new(directory.cancel, order())
    shards = [directory.shard(index) for index in range(len(plan.shards))]
    finished = sum(shard.subtotal.exists() for shard in shards)
    running = sum(
        shard.journal.exists() and not shard.subtotal.exists() and count_states(shard.journal) is None
        for shard in shards
    )
    return Cancelled(finished, running, len(shards))


def order() -> bytes:
    """Return what the order to stop says, for people: when it was given, and by whom."""
    content = {"at": iso(time.time()), "by": f"process {os.getpid()} on {socket.gethostname()}"}
    return json.dumps(content).encode() + b"\n"
