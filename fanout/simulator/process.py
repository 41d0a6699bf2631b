"""Runs the local AWS as a child process for the length of a block, and yields its `SimulatorAddress`.

Settings travel on stdin, and the child ends with stdin, so that it also dies with a parent that was killed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

import anyio
import orjson
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from fanout.errors import RunError
from fanout.simulator.address import SimulatorAddress
from fanout.simulator.settings import SimulatorSettings

START_TIMEOUT_S = 30.0  # it takes half a second on an idle machine
STOP_TIMEOUT_S = 5.0  # between asking and killing
_MAX_LINE_BYTES = 65_536


@asynccontextmanager
async def start(settings: SimulatorSettings) -> AsyncIterator[SimulatorAddress]:
    """Run the simulator as a child process while the block runs.

    Raises:
        RunError: It could not be started, or said something else than where it listens; with its stderr.
    """
    command = [sys.executable, "-m", "fanout.simulator", "--until-eof", "--port", "0", "--settings", "-"]
    with tempfile.TemporaryFile() as errors:  # a pipe that is not read would fill up and stop the child
        try:
            process = await anyio.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the run, which still collects what the endpoint has
            )
        except OSError as error:
            raise RunError(f"the simulator could not be started: {error}") from error
        try:
            yield await _introduce(process, settings, errors)
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


async def _introduce(process: Process, settings: SimulatorSettings, errors: IO[bytes]) -> SimulatorAddress:
    """Hand over the settings and return what the child answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    line = b""
    with anyio.move_on_after(START_TIMEOUT_S):
        try:
            await process.stdin.send(settings.model_dump_json().encode() + b"\n")
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", _MAX_LINE_BYTES)
        except (
            anyio.BrokenResourceError,
            anyio.IncompleteRead,
            anyio.DelimiterNotFound,
            anyio.ClosedResourceError,
        ):
            line = b""
    try:
        return SimulatorAddress(**orjson.loads(line))
    except (orjson.JSONDecodeError, TypeError) as error:
        await _stop(process)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip() or "nothing"
        code = process.returncode
        raise RunError(f"the simulator did not start (exit code {code}); its stderr says: {said}") from error


async def _stop(process: Process) -> None:
    """End the child: by the end of its stdin, then by SIGTERM, then by SIGKILL."""
    if process.stdin is not None:
        await process.stdin.aclose()
    for act in (process.terminate, process.kill):
        with anyio.move_on_after(STOP_TIMEOUT_S):
            if process.returncode is None:
                await process.wait()
        if process.returncode is not None:
            break
        act()
    await process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            await stream.aclose()
