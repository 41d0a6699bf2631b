"""Starts shards as actors of a Ray cluster, each with a process of its own on whatever node has room.

An actor starts the shard's process where it is, and passes on its log and its orders. One that is lost with its node is
started elsewhere by `shards.work`: the run's directory is where every node sees it. Needs the extra `fanout[ray]`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from fanout.concurrency.signals import reinstall_handlers
from fanout.errors import RunError, UsageError
from fanout.files import make_directory
from fanout.rundir.paths import RunDirectory
from fanout.runtime.place.scratch import scratch as scratch_directory
from fanout.runtime.place.scratch import scratch_root
from fanout.shards.assignment import STOP, Assignment
from fanout.shards.launcher import Replies, ShardEnd
from fanout.shards.log_relay import LogRelay

_log = logging.getLogger(__name__)
CPUS = 1.0
"""What a shard asks of its node: one core."""
ASK_S = 0.2
"""How often a shard's log is asked for."""
MISSING = "--engine ray needs Ray, which is not installed here: pip install 'fanout[ray]'"


class ShardProcess:
    """The process of one shard, on the node of the actor that this becomes.

    Args:
        path: The shard's directory, which this node sees; None for scratch of this node, where the run is kept in S3.
        assignment: As `Assignment.encode` returns it.
        scratch: Where scratch is made, as configured.
    """

    def __init__(self, path: str | None, assignment: bytes, scratch: str | None = None) -> None:
        self._opened = ExitStack()
        self._status: Path | None = None
        self._shown = 0
        if path is None:
            whole = self._opened.enter_context(scratch_directory(scratch_root(scratch, os.environ)))
            make_directory(whole.shards)
            shard = whole.shard(0)  # the name is this node's own
            path, self._status = str(shard.path), shard.status
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-m", "fanout.shards.worker", path],
            stdin=subprocess.PIPE,  # which ends with the actor: the process then stops in order
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._said: list[bytes] = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.tell(assignment)

    def pid(self) -> int:
        """Return the id of the process, on its node."""
        return self._process.pid

    def tell(self, line: bytes) -> None:
        """Send the process a line."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def heard(self) -> tuple[bytes, int | None]:
        """Return what it has logged since the last call, and its exit code once it has ended and all was returned."""
        code = self._process.poll()
        if code is not None:
            self._reader.join()
        with self._lock:
            said, self._said = b"".join(self._said), []
        return said, code

    def status(self) -> bytes | None:
        """Return what the process wrote last on where it stands, if that is new and stands on this node alone."""
        if self._status is None:
            return None
        with suppress(OSError):
            written = self._status.stat().st_mtime_ns
            if written != self._shown:
                self._shown = written
                return self._status.read_bytes()
        return None

    def close(self) -> None:
        """Remove the scratch of this node."""
        self._opened.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._lock:
                self._said.append(line)


class RayLauncher:
    """`shards.launcher.Launcher`: on a Ray cluster, or on one that is started here.

    Args:
        address: Of the cluster, `auto` for the one that this machine belongs to; None starts one here.

    Raises:
        UsageError: Ray is not installed.
        RunError: The cluster cannot be reached.
    """

    def __init__(self, address: str | None) -> None:
        self._ray = _ray()
        self._address = address
        self._actor: Any = None
        self._connecting = anyio.Lock()

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
        """Run a shard in an actor; see `Launcher`."""
        ray = self._ray
        async with self._connecting:  # shards start together, and one of them connects
            if self._actor is None:
                self._actor = await self._connected()
        name = f"the Ray actor of shard {directory.path.name}"
        path = str(directory.path) if assignment.place is None else None
        actor = self._actor.remote(path, assignment.encode(), assignment.config.run.scratch)
        try:
            started(await self._result(actor.pid.remote()))
            told = False
            while True:
                said, code = await self._result(actor.heard.remote())
                relay.take(said)
                if path is None and (status := await self._result(actor.status.remote())) is not None:
                    directory.status.write_bytes(status)
                if code is not None and path is None:
                    await self._result(actor.close.remote())
                if code is not None:
                    lost = code < 0
                    return ShardEnd(
                        None if lost else code, name, f"lost its process by signal {-code}" if lost else ""
                    )
                if stopping.is_set() and not told:
                    told = True
                    await self._result(actor.tell.remote(STOP))
                if lines := replies.take():
                    await self._result(actor.tell.remote(lines))
                with anyio.move_on_after(ASK_S):
                    await (anyio.sleep(ASK_S) if told else stopping.wait())
        except ray.exceptions.RayActorError as error:
            why = " ".join(str(error).split())[:200]
            return ShardEnd(None, name, f"was lost ({type(error).__name__}: {why})", certain=False)
        except ray.exceptions.RayError as error:
            raise RunError(f"{name} cannot be started: {' '.join(str(error).split())[:300]}") from error
        finally:
            with anyio.CancelScope(shield=True), suppress(Exception):
                await anyio.to_thread.run_sync(lambda: ray.kill(actor))

    async def _connected(self) -> Any:
        """Connect, and return the class of the actors."""
        beginning = _Beginning(self._connect)
        actor = await anyio.to_thread.run_sync(beginning.result, abandon_on_cancel=True)
        reinstall_handlers()
        return actor

    def _connect(self) -> Any:
        ray = self._ray
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody by us
            # Of a Ray that is started here: workers at nice 15, its default, have what the rest of the machine leaves.
            os.environ.setdefault("RAY_worker_niceness", "0")
            try:
                ray.init(
                    address=self._address
                    or "local",  # by None, Ray joins a cluster that was started here by others
                    logging_level=logging.WARNING,
                    log_to_driver=False,
                    include_dashboard=False if self._address is None else None,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise RunError(
                    f"the Ray cluster at {self._address or 'this machine'} cannot be reached "
                    f"({' '.join(str(error).split())[:200]}): look at `ray status`, or name it with --ray-address"
                ) from error
        # It is started again here, where its losses are counted and its share is known, not by Ray.
        return ray.remote(num_cpus=CPUS, max_restarts=0, max_task_retries=0)(ShardProcess)

    async def _result(self, reference: Any) -> Any:
        return await anyio.to_thread.run_sync(self._ray.get, reference, abandon_on_cancel=True)


class _Beginning:
    """Calls something on a thread that lives as long as this process.

    What Ray starts here is killed by the kernel once the thread that started it has ended (prctl(2), PR_SET_PDEATHSIG),
    and a pool's idle thread ends after seconds.

    Args:
        call: What to call.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._future: Future[Any] = Future()
        threading.Thread(target=self._live, name="ray", daemon=True).start()

    def result(self) -> Any:
        """Return what it returned, or raise what it raised."""
        return self._future.result()

    def _live(self) -> None:
        try:
            self._future.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._future.set_exception(error)
        threading.Event().wait()


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - an extra of its own
        import ray.exceptions  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(MISSING) from error
    return ray
