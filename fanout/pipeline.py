"""The wiring: makes the stages, starts every task of a run, and ends them in order; the only file that does.

Chunks of records enter from the source; durable parts leave. What stops a run early (a `RunError` of a stage, a
signal, a deadline) stops intake and sends; what the endpoint has is collected as long as the grace allows.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass

import anyio

from fanout.ack import Ack
from fanout.collect import Collect, CollectStatistics
from fanout.entry import Entry, State
from fanout.errors import CallError, InputError, RunError, StorageError, TooManyFailures, root_cause
from fanout.failpoints import failpoint
from fanout.fetch import Fetch
from fanout.intake import Intake
from fanout.intend import intend_worker
from fanout.invoke import Invoke
from fanout.job import Job
from fanout.journal import Journal
from fanout.lane import Lane
from fanout.layout import Layout
from fanout.ledger import Ledger, LedgerStatistics
from fanout.offload import Offload, to_thread
from fanout.output.parts import Part
from fanout.pacing import Gate, Pacer, PacerStatistics
from fanout.ports import Clock, Cloud, Queue, Rows
from fanout.reconcile import LOOKERS, Reconcile, ReconcileStatistics
from fanout.records import Inline, Notice, Outcome, Sendable, Upload
from fanout.recover import Recovered
from fanout.remedies import remedy
from fanout.retry import backoff_s
from fanout.route import Router
from fanout.scribe import Scribe, ScribeStatistics
from fanout.sink import Sink, SinkStatistics
from fanout.tally import Tally
from fanout.upload import upload_worker
from fanout.wakeup import Wakeup

DELETERS = 16  # batches of ten deletions in flight: at 20 ms each they keep up with 8,000 rows a second
DELETE_WITHIN_S = 30.0  # at the end: what is left in the queue is recognised, or goes with the queue
Worker = Callable[[], Coroutine[object, object, None]]


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """A snapshot of everything that has a queue."""

    ledger: LedgerStatistics
    pacer: PacerStatistics
    sink: SinkStatistics
    scribe: ScribeStatistics
    reconcile: ReconcileStatistics
    collect: CollectStatistics | None
    held_bytes: int
    unfounded: int


class Pipeline:
    """One run of the engine.

    Args:
        job: What to do.
        source: The rows.
        cloud: The world.
        queue: Where notifications arrive; None to find results by listing.
        clock: The run's clock.
        pacer: Decides when requests are due.
        check_endpoint: Raises RunError when the endpoint is gone or out of service after the given instant.
        tally: Told every outcome.
        folds: Told every outcome, too: metrics, an experiment.
        journal: The open journal; None to keep none.
        recovered: What earlier processes of the run left behind.
        offload: Runs what blocks on the disk.
    """

    def __init__(
        self,
        *,
        job: Job,
        source: Rows,
        cloud: Cloud,
        queue: Queue | None,
        clock: Clock,
        pacer: Pacer,
        check_endpoint: Callable[[float], Awaitable[None]],
        tally: Tally,
        journal: Journal | None = None,
        recovered: Recovered | None = None,
        folds: Sequence[Callable[[Outcome], None]] = (),
        offload: Offload = to_thread,
    ) -> None:
        recovered = recovered or Recovered()
        self._job = job
        self._tally = tally
        self._folds = folds
        self._clock = clock
        self._rng = random.Random(job.seed)  # noqa: S311 - jitter
        limits = job.limits
        self._changed = Wakeup()
        self._reason: RunError | None = None
        self._stopped_at: float | None = None
        self._intake_scope = anyio.CancelScope()
        self._uploads: Lane[tuple[Entry, Upload]] = Lane(limits.uploads)
        self._ready: Lane[tuple[Entry, Sendable]] = Lane(limits.concurrency)
        self._sending: Lane[tuple[Entry, Sendable]] = Lane(limits.concurrency)
        self._claims: Lane[tuple[Entry, Notice]] = Lane(2 * limits.fetches)
        gate = Gate(pacer, clock)
        self._pacer = pacer
        outputs, failures = Layout(job.run, path=job.output_path), Layout(job.run, path=job.failure_path)
        for layout, name in ((outputs, "outputs"), (failures, "failures")):
            if name in recovered.meta:
                layout.load(recovered.meta[name])
        self._ledger = Ledger(job.run, outputs=outputs, failures=failures)
        self._scribe = Scribe(journal, ledger=self._ledger, offload=offload)
        self._sink = Sink(
            directory=job.parts,
            kept_schema=source.kept_schema,
            clock=clock,
            on_durable=self._durable,
            limits=limits.parts,
            offload=offload,
            earlier=recovered.parts,
        )
        self._ack = Ack(queue=queue, objects=cloud.objects)
        self._collect = None
        if queue is not None:
            self._collect = Collect(
                queue=queue,
                ledger=self._ledger,
                clock=clock,
                claims=self._claims,
                acknowledge=self._ack.messages,
                shared=job.shared_queue,
                trust=job.trust_responses,
                wait_s=limits.poll_s,
            )
        self._reconcile = Reconcile(
            ledger=self._ledger,
            objects=cloud.objects,
            clock=clock,
            claims=self._claims,
            ready=self._ready,
            finish=self._finish,
            last_notice_at=lambda: self._collect.statistics().last_notice_at if self._collect else None,
            patience=job.patience,
            resumed=bool(recovered.open),
        )
        self._intake = Intake(
            source=source,
            router=Router(job.routing),
            ledger=self._ledger,
            uploads=self._uploads,
            ready=self._ready,
            reject=self._reject,
            park=self._reconcile.park,
            room=self._sink.room,
            clock=clock,
            changed=self._changed,
            recovered=recovered,
            window=limits.window,
            held_bytes=limits.held_bytes,
            keep_inputs=job.keep_inputs,
            hold=job.retry.generations > 0,
        )
        self._invoke = Invoke(
            endpoint=job.endpoint,
            invoker=cloud.invoker,
            ledger=self._ledger,
            scribe=self._scribe,
            gate=gate,
            clock=clock,
            rng=self._rng,
            check_endpoint=check_endpoint,
            park=self._reconcile.park,
            keep=self._reconcile.keep,
            finish=self._finish,
            release=self._release,
            claims=self._claims,
            stopping=lambda: self._stopped_at is not None,
        )
        self._fetch = Fetch(
            ledger=self._ledger,
            objects=cloud.objects,
            clock=clock,
            finish=self._finish,
            room=self._room,
            again=self._again,
            trust=job.trust_responses,
            got=tally.by_status["succeeded"],
        )
        self._upload = lambda: upload_worker(
            self._uploads,
            self._ready,
            objects=cloud.objects,
            gate=gate,
            clock=clock,
            release=self._release,
        )
        self._intend = lambda: intend_worker(
            self._ready,
            self._sending,
            ledger=self._ledger,
            scribe=self._scribe,
            keep=self._reconcile.keep,
        )

    async def run(self) -> list[Part]:
        """Take every row to its end and return the durable parts, those of earlier processes included.

        Raises:
            RunError: The run could not go on, or `stop` was called; rows that had ended are durable.
        """
        try:
            await self._run()
        except BaseExceptionGroup as group:
            raise root_cause(group) from group
        finally:
            with anyio.CancelScope(shield=True):
                await self._sink.flush()
                self._note_unsent()
                await self._scribe.flush()
        if self._reason is not None:
            raise self._reason
        return self._sink.parts

    def stop(self, reason: RunError) -> None:
        """Send nothing more; collect what the endpoint has while the grace lasts, then leave with `reason`."""
        if self._reason is None or self._stopped_at is None:
            self._reason = self._reason or reason
            self._stopped_at = self._clock.now()
            self._intake_scope.cancel()
            self._changed.notify()

    async def _run(self) -> None:
        async with anyio.create_task_group() as acks:
            for _ in range(DELETERS):
                acks.start_soon(self._ack.worker)
            await self._work()
            # The pollers have ended: what they would receive again must not keep the deletions going.
            self._ack.close()
            acks.cancel_scope.deadline = anyio.current_time() + DELETE_WITHIN_S

    async def _work(self) -> None:
        limits = self._job.limits
        async with anyio.create_task_group() as tasks:
            workers: tuple[tuple[Worker, int], ...] = (
                (self._upload, limits.uploads),
                (self._intend, 1),
                (lambda: self._invoke.worker(self._sending), limits.concurrency),
                (lambda: self._fetch.worker(self._claims), limits.fetches),
                (self._look, 1),
                (self._reconcile.looker, LOOKERS),
                (self._poll, limits.pollers),
                (self._scribe.worker, 1),
            )
            for worker, count in workers:
                for _ in range(count):
                    tasks.start_soon(self._guarded, worker)
            tasks.start_soon(self._sink.worker)
            await self._take_in()
            await self._ended()
            # Every row has ended: what is buffered becomes durable, then its messages are deleted.
            self._sink.close()
            await self._sink.finished.wait()
            tasks.cancel_scope.cancel()  # only loops are left, which wait for rows that will not come

    async def _guarded(self, worker: Worker) -> None:
        """Run a worker; an error of the run stops it in order, an error of the disk at once."""
        try:
            await worker()
        except StorageError:
            raise
        except RunError as error:
            self.stop(error)
        except CallError as error:  # a refusal that no stage knew what to do with is not a bug of ours
            self.stop(RunError(remedy("AWS", error)))

    def _note_unsent(self) -> None:
        """Note the rows that a stop kept from being sent: a resume need not look for them, nor count a re-send."""
        if self._stopped_at is not None:
            for entry in self._ledger.waiting(frozenset({State.READY})):
                if entry.intended and not entry.doubted:
                    self._scribe.unsent(entry)

    async def _take_in(self) -> None:
        try:
            with self._intake_scope:
                await self._intake.run()
        except InputError as error:
            if not self._intake.caught_up.is_set():
                self.stop(error)  # rows of the earlier process stay unknown here: nothing can be waited for
            else:
                self._reason = error  # rows before the damage are on their way and paid for: they end first
        except RunError as error:
            self.stop(error)

    async def _ended(self) -> None:
        """Return when every row has ended, or, once the run is to stop, when the grace has."""
        while len(self._ledger):
            if self._stopped_at is None:
                await self._changed.wait()
                continue
            left_s = self._stopped_at + self._job.limits.grace_s - self._clock.now()
            if left_s <= 0 or not self._ledger.busy:
                return
            await self._changed.wait_for(left_s)

    async def _poll(self) -> None:
        # Before the rows of an earlier process are known again, their messages would look like strangers'.
        await self._intake.caught_up.wait()
        if self._collect is not None:
            await self._collect.poller()

    async def _look(self) -> None:
        await self._intake.caught_up.wait()
        await self._reconcile.worker()

    async def _room(self) -> None:
        """Return once what is finished can be taken: neither the disk nor the deletions are far behind."""
        await self._sink.room()
        await self._ack.room()

    def _finish(self, entry: Entry, outcome: Outcome) -> None:
        self._ledger.settle(entry)
        self._intake.release(entry)
        self._add(outcome)

    def _release(self, entry: Entry) -> None:
        if not isinstance(entry.item, Inline):  # kept for a re-send after a failure of the model
            self._intake.release(entry)

    def _again(self, entry: Entry, text: str | None) -> bool:
        """Send a row again that the model failed with `text`, if that is allowed; tell whether."""
        item = entry.item
        stopping = self._stopped_at is not None
        if item is None or stopping or not self._job.retry.allows(generation=entry.generation, text=text):
            return False
        self._ledger.regenerate(entry)
        self._scribe.unsent(entry)
        self._reconcile.park(entry, item, backoff_s(entry.generation, draw=self._rng.random()))
        return True

    def _reject(self, outcome: Outcome) -> None:
        self._ledger.seen(outcome.row)
        self._add(outcome)

    def _add(self, outcome: Outcome) -> None:
        self._sink.add(outcome)
        self._tally.add(outcome)
        for fold in self._folds:
            fold(outcome)
        self._changed.notify()
        most = self._job.limits.max_failures
        if most is not None and self._tally.unsuccessful > most:
            self.stop(
                TooManyFailures(
                    f"{self._tally.unsuccessful} rows ended without success, {most} are allowed (max_failures); "
                    f"the last: {outcome.error_code}: {outcome.error_message}"
                )
            )

    async def _durable(self, part: Part, outcomes: list[Outcome]) -> None:
        await self._scribe.part(part.number, [outcome.row for outcome in outcomes])
        failpoint("part.committed")
        receipts, uploads = self._ledger.durable(outcome.row for outcome in outcomes)
        self._ack.messages(receipts)
        self._ack.uploads(uploads)

    def statistics(self) -> PipelineStatistics:
        """Return a snapshot."""
        return PipelineStatistics(
            self._ledger.statistics(),
            self._pacer.statistics(),
            self._sink.statistics(),
            self._scribe.statistics(),
            self._reconcile.statistics(),
            self._collect.statistics() if self._collect else None,
            self._intake.held_bytes,
            self._fetch.unfounded,
        )
