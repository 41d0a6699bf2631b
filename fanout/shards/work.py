"""Runs all shards of one run: has them started, follows them, starts a lost one again, stops all of them in order.

Each shard is a run directory of its own under `shards/`, with its own journal, parts and run id, and a process of its
own (`shards.worker`), wherever a launcher puts it. A finished shard is not started again.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from fanout.config.model import Config
from fanout.engine.outcomes import too_many_failures
from fanout.engine.snapshot import Snapshot
from fanout.errors import Exit, Interrupted, RunError, unwrapped
from fanout.files import make_directory
from fanout.observability.metrics.fold import Dumped, Fold
from fanout.observability.status_file import FOLLOW_S, read_status_file
from fanout.observability.warnings import WarningLog
from fanout.output.parts import read_parts
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import read_shard_result, total
from fanout.runtime.result import WorkResult
from fanout.runtime.spec import RunSpec
from fanout.shards.assignment import Assignment, grant_line
from fanout.shards.launcher import Launcher, Replies, ShardEnd
from fanout.shards.leases import Leases
from fanout.shards.log_relay import LogRelay
from fanout.shards.merging import merged
from fanout.shards.totals import parse_snapshot, total_snapshot

_log = logging.getLogger(__name__)
RESTARTS_MAX = 3
"""Starts after a loss without one row more that has ended in between: what kills it will kill it again."""


@dataclass(slots=True)
class Member:
    """One shard and what is known of it.

    Attributes:
        counted: What its process counts; `earlier` has what those before it counted.
        losses: How often its process was lost since a row of it ended.
    """

    directory: RunDirectory
    assignment: Assignment
    pid: int | None = None
    last: Snapshot | None = None
    counted: Dumped | None = None
    earlier: list[Dumped] = field(default_factory=list)
    losses: int = 0
    ended_at_loss: int = 0


class ShardsWork:
    """`runtime.supervisor.Work`: the shards of one run; made by `ShardExecutor`.

    Args:
        spec: The run.
        members: Its shards.
        shares: Of the configuration, one for each shard that is at work at once.
        plan: By which the input is divided; None if its rows are dealt out one by one.
        launcher: Starts a shard.
        fold: Holds what all shards count, None if no metrics are asked for.
        warning_log: What a person has been warned of.
        fetch: Has the results and the parts of all shards in their directories; None where they are there.
    """

    def __init__(
        self,
        spec: RunSpec,
        members: Sequence[Member],
        *,
        shares: Sequence[Config],
        plan: ShardPlan | None,
        launcher: Launcher,
        fold: Fold | None,
        warning_log: WarningLog,
        fetch: Callable[[Sequence[RunDirectory]], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._fetch = fetch
        rate = spec.config.pacing.rate
        self._starts = itertools.count()
        self._leases = Leases(rate) if rate is not None and len(shares) > 1 else None
        self._directory = spec.directory
        self._run = spec.config.run
        self._next_step = spec.next_step
        self._members = members
        self._shares = list(shares)
        self._plan = plan
        self._launcher = launcher
        self._fold = fold
        self._warning_log = warning_log
        self._reason: RunError | None = None
        self._stopping = anyio.Event()
        self._free = anyio.Semaphore(len(self._shares))

    async def run(self) -> WorkResult:
        """Run every shard that has not finished to its end, and return what all of them came to.

        Raises:
            RunError: A shard could not go on, or `stop` was called; the others have ended in order.
            Interrupted: The process of a shard was lost again and again; likewise.
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
        if self._fetch is not None:
            await self._fetch([member.directory for member in self._members])
        return await anyio.to_thread.run_sync(self._result)

    def stop(self, reason: RunError) -> None:
        """Have every shard stop in order, then leave with `reason`; only the first reason counts."""
        if self._reason is None:
            self._reason = reason
            self._stopping.set()

    def look(self) -> Snapshot:
        """Return where all shards stand together."""
        snapshots = [member.last for member in self._members if member.last is not None]
        return total_snapshot(snapshots, processes=len(self._members))

    def _result(self) -> WorkResult:
        if self._plan is not None:
            return merged(self._plan, [member.directory for member in self._members])
        parts = [part for member in self._members for part in read_parts(member.directory.parts)]
        summed = total(read_shard_result(member.directory.subtotal) for member in self._members)
        return WorkResult(parts, summed.tally, summed.throttles, summed.warnings)

    async def _mind(self, member: Member) -> None:
        """Have a shard started when its turn comes, and again as often as it is lost and that may help."""
        async with self._free:
            share = self._shares.pop(0)
            member.assignment = dataclasses.replace(
                member.assignment, config=share, leased=self._leases is not None
            )
            try:
                while not self._stopping.is_set() and await self._is_lost(member):
                    pass
            finally:
                self._shares.append(share)

    async def _is_lost(self, member: Member) -> bool:
        """Start a shard and judge how it ended; return whether it is to be started again."""
        # A process that is lost may send for a while yet: the next one of its shard has a lease of its own.
        leases, number, replies = self._leases, next(self._starts), Replies()

        def asked(held: int, at: float) -> None:
            if leases is not None:
                grant, rate = leases.renew(number, held=held, now=anyio.current_time())
                replies.put(grant_line(grant, rate, asked_at=at))

        relay = LogRelay(self._warning_log, asked=asked)

        def started(pid: int) -> None:
            member.pid = pid

        certain = True
        try:
            end = await self._launcher.run(
                member.directory,
                member.assignment,
                relay=relay,
                stopping=self._stopping,
                replies=replies,
                started=started,
            )
            certain = end.certain
        except RunError as error:
            error.args = (f"{error}; {self._next_step}",)
            self.stop(error)
            return False
        finally:
            if leases is not None:
                (leases.ended if certain else leases.lost)(number)
        if end.code is None and self._may_help(member):
            _log.warning(
                "%s %s: it is started again, and goes on where its journal says", end.process, end.how
            )
            return True
        self._judge(end, relay.last_word)
        return False

    def _may_help(self, member: Member) -> bool:
        """Whether a lost shard is worth another start."""
        self._read(member)
        if member.counted is not None:
            member.earlier.append(member.counted)
            member.counted = None
        ended = member.last.ended if member.last is not None else 0
        if ended > member.ended_at_loss:
            member.losses, member.ended_at_loss = 0, ended
        member.losses += 1
        return self._run.journal and not self._stopping.is_set() and member.losses <= RESTARTS_MAX

    def _judge(self, end: ShardEnd, last_word: str | None) -> None:
        others = f"the other processes stopped in order; {self._next_step}"
        if end.code == Exit.OK:
            return
        if end.code is None:
            self.stop(Interrupted(f"{end.process} {end.how}; {others}"))
            return
        error = RunError(last_word or f"{end.process} failed by a bug, as its traceback says; {others}")
        error.exit = Exit(end.code) if end.code in set(Exit) else Exit.BUG
        self.stop(error)

    async def _follow(self) -> None:
        """Read the shards' `status.json` again and again, until cancelled."""
        while True:
            for member in self._members:
                await anyio.to_thread.run_sync(self._read, member)
            self._count()
            self._judge_failures()
            await anyio.sleep(FOLLOW_S)

    def _read(self, member: Member) -> None:
        status = read_status_file(member.directory.status)
        with suppress(KeyError, TypeError):  # another version's: it says something once it has started
            member.last = parse_snapshot(status["snapshot"])
            if status["pid"] == member.pid:  # an earlier process's rows were counted in its time
                member.counted = status.get("counted")

    def _count(self) -> None:
        """Bring up to date what metrics show."""
        if self._fold is not None:
            counted = [each.counted for each in self._members if each.counted]
            self._fold.replace_by([*counted, *(dump for each in self._members for dump in each.earlier)])

    def _judge_failures(self) -> None:
        """Stop if more rows have failed than may: each shard sees to its own rows alone."""
        most = self._run.max_failures
        seen = self.look()
        failed = seen.ended - seen.succeeded
        if most is not None and failed > most:
            self.stop(too_many_failures(failed, most=most))
