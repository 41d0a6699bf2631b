"""Starts `fanout` processes quickly: each is forked from one that has imported everything, as its entry point calls it.

Most of what a start costs is imports, pyarrow, botocore, aiohttp and the program itself: two seconds of CPU, where
the run of a test costs tenths. So are the processes that these start, the local AWS and the shards of a run. What
`python -m` does with each of them in an interpreter of its own is tested apart.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import anyio
import anyio.lowlevel
import botocore.session
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from botocore.loaders import create_loader

from fanout import failpoints
from fanout.failpoints import VARIABLE

IMPORTED = (
    "fanout.cli", "fanout.cli.progress", "fanout.cli.status_text", "fanout.cli.summary_table",
    "fanout.commands.export", "fanout.observability.logging", "fanout.runtime.event_loop", "fanout.shards.worker",
    "fanout.simulator.__main__", "fanout.simulator.http.server",
    "anyio._backends._asyncio", "pydantic.type_adapter", "rich.console", "uvloop",
)  # fmt: skip
PROGRAMS = {
    "fanout.cli": "fanout.cli",
    "fanout.shards.worker": "fanout.shards.worker",
    "fanout.simulator": "fanout.simulator.__main__",
}
"""What `python -m` is told, and where its `main` stands."""


class Started:
    """A `fanout` process under way, used like a `subprocess.Popen`; `stdout` and `stderr` are there for pipes."""

    def __init__(
        self,
        *arguments: object,
        env: Mapping[str, str],
        program: str = "fanout.cli",
        cwd: str | os.PathLike[str] | None = None,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        self.talk, theirs = socket.socketpair()
        null = os.open(os.devnull, os.O_RDWR)
        lent, pipes = [stdin.fileno() if stdin else null], []
        for name, given in (("stdout", stdout), ("stderr", stderr)):
            if given == subprocess.PIPE:
                read, write = os.pipe()
                setattr(self, name, os.fdopen(read, encoding="utf-8"))  # closed by `__exit__`
                pipes.append(write)
                lent.append(write)
            else:
                lent.append(null if isinstance(given, int) else given.fileno())
        with theirs, _lock:
            nursery = _nursery()
            socket.send_fds(nursery, [b"\0"], [*lent, theirs.fileno(), nursery.fileno()])
        for fd in (null, *pipes):
            os.close(fd)
        request = {
            "program": program, "arguments": [*map(str, arguments)], "env": dict(env), "cwd": str(cwd or Path.cwd()),
        }  # fmt: skip
        self.talk.sendall(json.dumps(request).encode() + b"\n")
        self._replies = self.talk.makefile("rb", buffering=0)
        self.pid = int(self._replies.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, as `Popen.wait` does: -9 after SIGKILL.

        Raises:
            subprocess.TimeoutExpired: It has not ended within so many seconds.
        """
        if self.returncode is None:
            self.talk.settimeout(timeout)
            try:
                self.returncode = int(self.talk.recv(16))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("fanout", timeout or 0.0) from None
            self._replies.close()
            self.talk.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        self.wait()


_lock = threading.Lock()
_inherited: socket.socket | None = None
"""In a process that was forked: the way to the nursery that it comes from."""


@functools.cache
def _nursery() -> socket.socket:
    """Start the parent of this process's `fanout` processes; it ends with this process."""
    if _inherited is not None:
        return _inherited
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-P", __file__], stdin=theirs)

    @atexit.register
    def end() -> None:
        ours.shutdown(socket.SHUT_RDWR)  # those that it forked have it, too
        ours.close()
        process.wait()

    return ours


def _prepare() -> None:
    """Import what the program needs, and read what botocore knows of the services: a third of each client's cost."""
    for name in IMPORTED:
        importlib.import_module(name)
    loader = create_loader()
    botocore.session.create_loader = lambda *_: loader
    session = botocore.session.Session()
    session.set_credentials("unused", "unused")
    for service in ("s3", "sagemaker", "sagemaker-runtime", "sns", "sqs", "sts"):
        session.create_client(service, region_name="us-east-1").close()
    gc.freeze()  # so much fewer pages are copied


def _serve(control: socket.socket) -> str:
    """Fork a keeper for each request; in its child, once it is set up, return the program that it is to be."""
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 5)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            *streams, talk, nursery = fds
            return _keep(streams, socket.socket(fileno=talk), socket.socket(fileno=nursery))
        for fd in fds:
            os.close(fd)


def _keep(streams: list[int], talk: socket.socket, nursery: socket.socket) -> str:
    """Fork the process that was asked for, tell its id and its exit code; return in that process alone."""
    global _inherited  # noqa: PLW0603 - a process has one
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with talk, talk.makefile("rb") as file:
        request = json.loads(file.readline())
        if pid := os.fork():
            for fd in streams:
                os.close(fd)
            nursery.close()
            talk.sendall(f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            with suppress(BrokenPipeError):  # whoever started it is gone
                talk.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    # Made anew, as an interpreter makes them: the old ones remember what stood behind these descriptors.
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["fanout", *request["arguments"]]
    if request["program"] != "fanout.cli":
        os.setsid()  # as whoever starts these asks for
    _inherited = nursery
    anyio.open_process = _open_process
    if VARIABLE in os.environ:
        _arm(os.environ[VARIABLE])
    return str(request["program"])


def _arm(setting: str) -> None:
    """Arm a fail point in whatever was imported while none was, and in what is imported from here on."""
    unarmed, failpoint = failpoints.failpoint, failpoints.armed(setting)
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == "fanout" and getattr(module, "failpoint", None) is unarmed:
            module.failpoint = failpoint


_real_open_process = anyio.open_process


async def _open_process(command: Sequence[str], **how: Any) -> Process:
    """`anyio.open_process`, except that a `python -m` of a known program is forked."""
    if command[:2] != [sys.executable, "-m"] or command[2] not in PROGRAMS:
        return await _real_open_process(command, **how)
    assert how.pop("start_new_session"), "it gets one"
    return Forked(command[2], command[3:], **how)


class Forked(Process):
    """A process that another forked one has started."""

    def __init__(
        self, program: str, arguments: Sequence[str], *, stdin: int, stdout: int, stderr: int | IO[bytes]
    ) -> None:
        assert stdin == subprocess.PIPE
        lent = {"stdout": stdout, "stderr": stderr}
        ours: dict[str, _Output] = {}
        read, write = os.pipe()
        theirs = [os.fdopen(read, "rb")]
        self._stdin = _Input(write)
        for name, given in lent.items():
            if given == subprocess.PIPE:
                read, write = os.pipe()
                ours[name] = _Output(read)
                lent[name] = os.fdopen(write, "wb")
                theirs.append(lent[name])
        self._stdout, self._stderr = ours.get("stdout"), ours.get("stderr")
        self._started = Started(
            *arguments, program=program, env=os.environ, stdin=theirs[0], stdout=lent["stdout"], stderr=lent["stderr"]
        )  # fmt: skip
        for file in theirs:
            file.close()

    async def wait(self) -> int:
        while self._started.poll() is None:
            await anyio.wait_readable(self._started.talk)
        return self._started.wait()

    def terminate(self) -> None:
        self._started.terminate()

    def kill(self) -> None:
        self._started.kill()

    def send_signal(self, number: int) -> None:
        self._started.send_signal(number)

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def returncode(self) -> int | None:
        return self._started.poll()

    @property
    def stdin(self) -> ByteSendStream:
        return self._stdin

    @property
    def stdout(self) -> ByteReceiveStream | None:
        return self._stdout

    @property
    def stderr(self) -> ByteReceiveStream | None:
        return self._stderr

    async def aclose(self) -> None:
        for stream in (self._stdin, self._stdout, self._stderr):
            if stream is not None:
                await stream.aclose()
        await self.wait()


class _Input(ByteSendStream):
    """The end of a pipe that is written to."""

    def __init__(self, fd: int) -> None:
        self._file: IO[bytes] = os.fdopen(fd, "wb", buffering=0)

    async def send(self, item: bytes) -> None:
        if self._file.closed:
            raise anyio.ClosedResourceError
        try:
            self._file.write(item)  # a few lines: a pipe takes so much at once
        except BrokenPipeError as error:
            raise anyio.BrokenResourceError from error
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._file.close()


class _Output(ByteReceiveStream):
    """The end of a pipe that is read."""

    def __init__(self, fd: int) -> None:
        self._file: IO[bytes] = os.fdopen(fd, "rb", buffering=0)

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await anyio.wait_readable(self._file)
        data = self._file.read(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        self._file.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no process waits for keepers
    _prepare()
    program = _serve(socket.socket(fileno=os.dup(0)))
    main = importlib.import_module(PROGRAMS[program]).main
    sys.exit(main(sys.argv[1]) if program == "fanout.shards.worker" else main())
