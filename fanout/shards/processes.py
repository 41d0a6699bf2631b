"""Several processes of one machine on one run: starts them, follows them, stops them in order, gathers their parts.

A configuration and a run directory enter; the durable parts of all shards leave, and the sum of their counts. Each
shard is a run directory of its own under `shards/`, with its own journal, parts and run id, and a process of its own
(`shard`). A finished shard is not started again. Children have no terminal: this process passes Ctrl-C on.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

import anyio
import anyio.to_thread
from anyio.abc import Process

from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Stripe
from fanout.engine.snapshot import Snapshot
from fanout.errors import Exit, Interrupted, RunError, TooManyFailures
from fanout.files import make_directory
from fanout.observability.logging import LEVELS
from fanout.observability.metrics.fold import Dumped, Fold
from fanout.observability.status_file import FOLLOW_S, read_status_file
from fanout.observability.warnings import WarningLog
from fanout.output.parts import Part, read_parts
from fanout.rundir.journal import JournalInUse, count_states
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult, read_shard_result, total
from fanout.runtime.share import Assignment
from fanout.runtime.simulated import SimulatorAddress
from fanout.shards.assignment import STOP
from fanout.shards.log_relay import LogRelay
from fanout.shards.plan import split_config
from fanout.shards.totals import parse_snapshot, total_snapshot

_log = logging.getLogger(__name__)
AT_ONCE_S = 30.0
"""What a child may take to stop at once: it makes what it holds durable. Then it is killed, which loses nothing."""


@dataclass(slots=True)
class _Member:
    """One shard and what is known of it."""

    directory: RunDirectory
    assignment: Assignment
    pid: int | None = None
    last: Snapshot | None = None
    counted: Dumped | None = None


class ProcessExecutor:
    """`runtime.executor.Executor`: the processes of one run.

    Args:
        directory: Of the run.
        config: The run's own.
    """

    def __init__(self, directory: RunDirectory, config: Config) -> None:
        self._directory = directory
        self._config = config
        self._reason: RunError | None = None
        self._stopping = anyio.Event()
        self._members: list[_Member] = []
        self._fold: Fold | None = None
        self._warning_log: WarningLog | None = None
        self._next_step = ""

    def check_free(self) -> None:
        """Return if no process of an earlier start has a shard of the run.

        Raises:
            JournalInUse: One has: it outlives the process that started it by the grace at most.
        """
        for shard in (self._directory.shard(index) for index in range(self._config.run.processes)):
            if shard.journal.exists() and count_states(shard.journal) is None:
                pid = read_status_file(shard.status).get("pid", "unknown")
                raise JournalInUse(
                    f"{shard.path} is in use by another process ({pid}), which lost the one that started it, "
                    "collects what the endpoint has and ends: wait for it, or stop it"
                )

    def prepare(
        self,
        *,
        simulator: SimulatorAddress | None,
        fold: Fold | None,
        warning_log: WarningLog,
        next_step: str,
    ) -> None:
        """Give each shard its share of the configuration and of the rows."""
        self._fold, self._warning_log, self._next_step = fold, warning_log, next_step
        shares = split_config(self._config)
        level = logging.getLogger("fanout").getEffectiveLevel()
        name = next((name for name in LEVELS if level <= getattr(logging, name.upper())), LEVELS[-1])
        self._members = [
            _Member(
                self._directory.shard(index),
                Assignment(
                    run_id=new_run(),
                    config=share,
                    stripe=Stripe(index, len(shares)),
                    simulator=simulator,
                    log_level=name,
                    counts=fold is not None,
                ),
            )
            for index, share in enumerate(shares)
        ]

    async def run(self) -> list[Part]:
        """Run every shard that has not finished to its end, and return the parts of all.

        Raises:
            RunError: A shard could not go on, or `stop` was called; the others have ended in order.
            Interrupted: The process of a shard was killed; likewise.
        """
        pending = [member for member in self._members if not member.directory.subtotal.exists()]
        make_directory(self._directory.shards)
        try:
            async with anyio.create_task_group() as follower:
                follower.start_soon(self._follow)
                async with anyio.create_task_group() as minders:
                    for member in pending:
                        minders.start_soon(self._mind, member)
                follower.cancel_scope.cancel()
        finally:
            for member in self._members:
                self._read(member)
            self._count()  # their last words, for metrics
        if self._reason is not None:
            raise self._reason
        return await anyio.to_thread.run_sync(self._parts)

    def stop(self, reason: RunError) -> None:
        """Have every process stop in order, then leave with `reason`; only the first reason counts."""
        if self._reason is None:
            self._reason = reason
            self._stopping.set()

    def look(self) -> Snapshot:
        """Return where all shards stand together."""
        warning_log = [member.last for member in self._members if member.last is not None]
        return total_snapshot(warning_log, processes=len(self._members))

    def subtotal(self) -> ShardResult:
        """Return what all shards came to; they have finished.

        Raises:
            JournalError: A shard's figures are damaged.
        """
        return total(read_shard_result(member.directory.subtotal) for member in self._members)

    def _parts(self) -> list[Part]:
        return [part for member in self._members for part in read_parts(member.directory.parts)]

    async def _mind(self, member: _Member) -> None:
        """Start a process, tell it what to do, pass on what it says, and judge how it ended."""
        try:
            process = await anyio.open_process(
                [sys.executable, "-m", "fanout.shards.worker", str(member.directory.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C would be a second order to stop
            )
        except OSError as error:
            self.stop(RunError(f"a process could not be started ({error.strerror}); {self._next_step}"))
            return
        member.pid = process.pid
        assert self._warning_log is not None, "prepare comes before run"
        relay = LogRelay(self._warning_log)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._lead, process, member.assignment.encode())
                await _heard_out(process, relay)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, relay)
        self._judge(member, process, relay.last_word)

    async def _lead(self, process: Process, assignment: bytes) -> None:
        await _tell(process, assignment)
        await self._stopping.wait()
        await _tell(process, STOP)

    def _judge(self, member: _Member, process: Process, last_word: str | None) -> None:
        code = process.returncode
        name = f"shard {member.directory.path.name}"
        others = f"the other processes stopped in order; {self._next_step}"
        if code == Exit.OK:
            return
        if code is None or code < 0:
            death = signal.Signals(-code).name if code is not None else "a signal"
            self.stop(Interrupted(f"the process of {name} ({process.pid}) was ended by {death}; {others}"))
            return
        error = RunError(
            last_word or f"the process of {name} failed by a bug, as its traceback says; {others}"
        )
        error.exit = Exit(code) if code in set(Exit) else Exit.BUG
        self.stop(error)

    async def _follow(self) -> None:
        """Read the children's signs of life again and again, until cancelled."""
        while True:
            for member in self._members:
                await anyio.to_thread.run_sync(self._read, member)
            self._count()
            self._judge_failures()
            await anyio.sleep(FOLLOW_S)

    def _read(self, member: _Member) -> None:
        beat = read_status_file(member.directory.status)
        with suppress(KeyError, TypeError):  # another version's: it says something once it has started
            member.last = parse_snapshot(beat["snapshot"])
            if beat["pid"] == member.pid:  # an earlier process's rows were counted in its time
                member.counted = beat.get("counted")

    def _count(self) -> None:
        """Bring up to date what metrics show."""
        if self._fold is not None:
            self._fold.replace_by(member.counted for member in self._members if member.counted)

    def _judge_failures(self) -> None:
        """Stop if more rows have failed than may; a single process sees to it itself, several know only their own."""
        most = self._config.run.max_failures
        seen = self.look()
        failed = seen.ended - seen.succeeded
        if most is not None and failed > most:
            self.stop(
                TooManyFailures(f"{failed} rows ended without success, {most} are allowed (max_failures)")
            )


async def _tell(process: Process, line: bytes) -> None:
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it has ended: `_judge` says how
        await process.stdin.send(line)


async def _heard_out(process: Process, relay: LogRelay) -> None:
    """Return when the process has said its last word and has ended."""
    assert process.stderr is not None
    await relay.lines(process.stderr)
    await process.wait()


async def _end(process: Process, relay: LogRelay) -> None:
    """Return when the process has ended: by itself, or, if this one is to stop at once, very soon."""
    if process.returncode is None:
        await _tell(process, STOP + STOP)
        with anyio.move_on_after(AT_ONCE_S):
            await _heard_out(process, relay)
        if process.returncode is None:
            process.kill()
            await process.wait()
    await process.aclose()
