"""Starts `fanout` processes quickly: each is forked from one that has imported everything, as its entry point calls it.

Most of what a start costs is imports, pyarrow, botocore, aiohttp and the program itself: two seconds of CPU, where
the run of a test costs tenths. What `python -m fanout.cli` does in an interpreter of its own is tested apart.
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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import botocore.session
from botocore.loaders import create_loader

from fanout.failpoints import VARIABLE

IMPORTED = (
    "fanout.cli", "fanout.export", "fanout.logs", "fanout.progress", "fanout.simulator.http.server",
    "fanout.standing_text", "fanout.start", "fanout.table", "anyio._backends._asyncio", "pydantic.type_adapter",
    "rich.console", "uvloop",
)  # fmt: skip


class Started:
    """A `fanout` process under way, used like a `subprocess.Popen`; `stdout` and `stderr` are there for pipes."""

    def __init__(
        self,
        *arguments: object,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        self._talk, theirs = socket.socketpair()
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
            socket.send_fds(_nursery(), [b"\0"], [*lent, theirs.fileno()])
        for fd in (null, *pipes):
            os.close(fd)
        request = {"arguments": [*map(str, arguments)], "env": dict(env), "cwd": str(cwd or Path.cwd())}
        self._talk.sendall(json.dumps(request).encode() + b"\n")
        self._replies = self._talk.makefile("rb", buffering=0)
        self.pid = int(self._replies.readline())

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, as `Popen.wait` does: -9 after SIGKILL.

        Raises:
            subprocess.TimeoutExpired: It has not ended within so many seconds.
        """
        if self.returncode is None:
            self._talk.settimeout(timeout)
            try:
                self.returncode = int(self._talk.recv(16))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("fanout", timeout or 0.0) from None
            self._replies.close()
            self._talk.close()
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


@functools.cache
def _nursery() -> socket.socket:
    """Start the parent of this process's `fanout` processes; it ends with this process."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-P", __file__], stdin=theirs)

    @atexit.register
    def end() -> None:
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


def _serve(control: socket.socket) -> None:
    """Fork a keeper for each request, in the keeper return after its `fanout` process was set up: it is this one."""
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            *streams, talk = fds
            _keep(streams, socket.socket(fileno=talk))
            return
        for fd in fds:
            os.close(fd)


def _keep(streams: list[int], talk: socket.socket) -> None:
    """Fork the process that was asked for, tell its id and its exit code; return in that process alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with talk, talk.makefile("rb") as file:
        request = json.loads(file.readline())
        if pid := os.fork():
            for fd in streams:
                os.close(fd)
            talk.sendall(f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
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
    if VARIABLE in os.environ:  # fail points are armed by the import
        for name in [name for name in sys.modules if name.partition(".")[0] == "fanout"]:
            del sys.modules[name]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    _prepare()
    _serve(socket.socket(fileno=os.dup(0)))
    sys.exit(importlib.import_module("fanout.cli").main())
