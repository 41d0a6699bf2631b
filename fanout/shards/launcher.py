"""Defines what starts a shard somewhere, hears how it ended, and may be asked to start it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from fanout.rundir.paths import RunDirectory
from fanout.shards.assignment import Assignment
from fanout.shards.log_relay import LogRelay


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """How a shard's process ended.

    Attributes:
        code: Its exit code; None if it was lost without a word: killed, or gone with its host.
        process: Names it, as a sentence's subject: `the process of shard 003 (1234)`.
        how: How it was lost: `was ended by SIGKILL`.
        certain: Whether nothing of it can be at work any more; a host that is not heard of may be.
    """

    code: int | None
    process: str
    how: str = ""
    certain: bool = True


class Replies:
    """Lines for the process of one shard, which its launcher passes on as they come."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._came = anyio.Event()

    def put(self, line: bytes) -> None:
        """Have a line passed on."""
        self._lines.append(line)
        self._came.set()

    def take(self) -> bytes:
        """Return all that was put since the last call."""
        lines, self._lines, self._came = self._lines, [], anyio.Event()
        return b"".join(lines)

    async def wait(self) -> None:
        """Return once there is something to take."""
        await self._came.wait()


class Launcher(Protocol):
    """Starts the processes of shards: on this machine, or elsewhere."""

    async def run(
        self,
        directory: RunDirectory,
        assignment: Assignment,
        *,
        relay: LogRelay,
        stopping: anyio.Event,
        replies: Replies,
        started: Callable[[int], None],
    ) -> ShardEnd:
        """Start a shard, pass on its log, and return how it ended; cancelled, it is ended at once.

        Args:
            directory: The shard's.
            assignment: What it does.
            relay: Takes its log.
            stopping: Once set, the shard is to stop in order.
            replies: What its process is to be told besides.
            started: Called with the id of its process.

        Raises:
            RunError: It cannot be started.
        """
        ...
