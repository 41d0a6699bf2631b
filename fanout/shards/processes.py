"""Runs one run on several processes of this machine: starts them, follows them, stops them in order.

Each shard is a run directory of its own under `shards/`, with its own journal, parts and run id, and a process of its
own (`shards.worker`). A finished shard is not started again. The processes have no terminal: this one passes Ctrl-C on.
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

from fanout.domain.ids import new_run
from fanout.domain.row_ranges import Stripe
from fanout.engine.outcomes import too_many_failures
from fanout.engine.snapshot import Snapshot
from fanout.errors import Exit, Interrupted, RunError, UsageError, unwrapped
from fanout.files import make_directory
from fanout.observability.logging import LEVELS
from fanout.observability.metrics.fold import Dumped, Fold
from fanout.observability.status_file import FOLLOW_S, read_status_file
from fanout.observability.warnings import WarningLog
from fanout.output.parts import read_parts
from fanout.rundir.journal import JournalInUse, count_states
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import read_shard_result, total
from fanout.runtime.result import WorkResult
from fanout.runtime.session import Session
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import STOP, Assignment
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
    """`runtime.executor.Executor`: the run on as many processes as it asks for.

    Args:
        spec: The run.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec

    def check_free(self) -> None:
        """Return if no process of an earlier start has a shard of the run.

        Raises:
            JournalInUse: One has: it outlives the process that started it by the grace at most.
        """
        directory = self._spec.directory
        for shard in (directory.shard(index) for index in range(self._spec.config.run.processes)):
            if shard.journal.exists() and count_states(shard.journal) is None:
                pid = read_status_file(shard.status).get("pid", "unknown")
                raise JournalInUse(
                    f"{shard.path} is in use by another process ({pid}), which lost the one that started it, "
                    "collects what the endpoint has and ends: wait for it, or stop it"
                )

    async def prepare(self, session: Session, *, fold: Fold | None) -> ProcessWork:
        """Return the processes' work: each has its share of the configuration and of the rows.

        Raises:
            UsageError: The configuration, or a pipe, cannot be shared.
        """
        shares = split_config(self._spec.config)
        if any(file.streamed for file in (await session.source()).inputs):
            raise UsageError(
                "a pipe can be read once, and each of several processes reads the whole input: "
                "write it to a file first, or leave out --processes"
            )
        level = logging.getLogger("fanout").getEffectiveLevel()
        name = next((name for name in LEVELS if level <= getattr(logging, name.upper())), LEVELS[-1])
        members = [
            _Member(
                self._spec.directory.shard(index),
                Assignment(
                    run_id=new_run(),
                    config=share,
                    stripe=Stripe(index, len(shares)),
                    simulator=session.simulator,
                    log_level=name,
                    counts=fold is not None,
                ),
            )
            for index, share in enumerate(shares)
        ]
        return ProcessWork(self._spec, members, fold=fold, warning_log=session.warnings)


class ProcessWork:
    """`runtime.supervisor.Work`: the processes of one run; made by `ProcessExecutor`.

    Args:
        spec: The run.
        members: Its shards.
        fold: Holds what all processes count, None if no metrics are asked for.
        warning_log: What a person has been warned of.
    """

    def __init__(
        self, spec: RunSpec, members: list[_Member], *, fold: Fold | None, warning_log: WarningLog
    ) -> None:
        self._directory = spec.directory
        self._max_failures = spec.config.run.max_failures
        self._next_step = spec.next_step
        self._members = members
        self._fold = fold
        self._warning_log = warning_log
        self._reason: RunError | None = None
        self._stopping = anyio.Event()

    async def run(self) -> WorkResult:
        """Run every shard that has not finished to its end, and return what all of them came to.

        Raises:
            RunError: A shard could not go on, or `stop` was called; the others have ended in order.
            Interrupted: The process of a shard was killed; likewise.
            JournalError: A shard's figures are damaged.
        """
        pending = [member for member in self._members if not member.directory.subtotal.exists()]
        make_directory(self._directory.shards)
        try:
            with unwrapped():
                async with anyio.create_task_group() as follower:
                    follower.start_soon(self._follow)
                    async with anyio.create_task_group() as minders:
                        for member in pending:
                            minders.start_soon(self._mind, member)
                    follower.cancel_scope.cancel()
        finally:
            for member in self._members:
                self._read(member)
            self._count()  # their last figures, for metrics
        if self._reason is not None:
            raise self._reason
        return await anyio.to_thread.run_sync(self._result)

    def stop(self, reason: RunError) -> None:
        """Have every process stop in order, then leave with `reason`; only the first reason counts."""
        if self._reason is None:
            self._reason = reason
            self._stopping.set()

    def look(self) -> Snapshot:
        """Return where all shards stand together."""
        snapshots = [member.last for member in self._members if member.last is not None]
        return total_snapshot(snapshots, processes=len(self._members))

    def _result(self) -> WorkResult:
        parts = [part for member in self._members for part in read_parts(member.directory.parts)]
        summed = total(read_shard_result(member.directory.subtotal) for member in self._members)
        return WorkResult(parts, summed.tally, summed.throttles, summed.warnings)

    async def _mind(self, member: _Member) -> None:
        """Start a process, send it its assignment, pass on its log, and judge how it ended."""
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
        """Read the children's `status.json` again and again, until cancelled."""
        while True:
            for member in self._members:
                await anyio.to_thread.run_sync(self._read, member)
            self._count()
            self._judge_failures()
            await anyio.sleep(FOLLOW_S)

    def _read(self, member: _Member) -> None:
        status = read_status_file(member.directory.status)
        with suppress(KeyError, TypeError):  # another version's: it says something once it has started
            member.last = parse_snapshot(status["snapshot"])
            if status["pid"] == member.pid:  # an earlier process's rows were counted in its time
                member.counted = status.get("counted")

    def _count(self) -> None:
        """Bring up to date what metrics show."""
        if self._fold is not None:
            self._fold.replace_by(member.counted for member in self._members if member.counted)

    def _judge_failures(self) -> None:
        """Stop if more rows have failed than may: each process sees to its own rows alone."""
        most = self._max_failures
        seen = self.look()
        failed = seen.ended - seen.succeeded
        if most is not None and failed > most:
            self.stop(too_many_failures(failed, most=most))


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
