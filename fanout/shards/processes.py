"""Starts shards as processes of this machine, and ends them; see `shards.worker`.

They have no terminal: the process that started them passes Ctrl-C on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import Process

from fanout.errors import RunError, unwrapped
from fanout.rundir.paths import RunDirectory
from fanout.shards.assignment import STOP, Assignment
from fanout.shards.launcher import Replies, ShardEnd
from fanout.shards.log_relay import LogRelay

AT_ONCE_S = 30.0
"""What a child may take to stop at once: it makes what it holds durable. Then it is killed, which loses nothing."""


class ProcessLauncher:
    """`shards.launcher.Launcher`."""

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
        """Run a shard in a process of its own; see `Launcher`."""
        try:
            process = await anyio.open_process(
                [sys.executable, "-m", "fanout.shards.worker", str(directory.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C would be a second order to stop
            )
        except OSError as error:
            raise RunError(f"a process could not be started ({error.strerror})") from error
        started(process.pid)

        async def lead() -> None:
            await stopping.wait()
            await _tell(process, STOP)

        async def reply() -> None:
            while True:
                await replies.wait()
                await _tell(process, replies.take())

        try:
            with unwrapped():
                async with anyio.create_task_group() as tasks:
                    await _tell(process, assignment.encode())
                    tasks.start_soon(lead)
                    tasks.start_soon(reply)
                    await _heard_out(process, relay)
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, relay)
        return _ended(process, f"the process of shard {directory.path.name} ({process.pid})")


def _ended(process: Process, name: str) -> ShardEnd:
    code = process.returncode
    if code is None or code < 0:
        death = signal.Signals(-code).name if code is not None else "a signal"
        return ShardEnd(None, name, f"was ended by {death}")
    return ShardEnd(code, name)


async def _tell(process: Process, line: bytes) -> None:
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it has ended: `_judge` says how
        await process.stdin.send(line)


async def _heard_out(process: Process, relay: LogRelay) -> None:
    """Return when the process has written its last log line and has ended."""
    assert process.stderr is not None
    await relay.lines(process.stderr)
    await process.wait()


async def _end(process: Process, relay: LogRelay) -> None:
    """Return when the process has ended: by itself, or, if this one stops at once, very soon."""
    if process.returncode is None:
        await _tell(process, STOP + STOP)
        with anyio.move_on_after(AT_ONCE_S):
            await _heard_out(process, relay)
        if process.returncode is None:
            process.kill()
            await process.wait()
    await process.aclose()
