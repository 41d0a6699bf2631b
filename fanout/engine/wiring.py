"""The stages of a run, made and joined: what each takes from the others, and what a row's end at one means to all.

Nothing runs yet, and no task is started here: `Pipeline` does that.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import anyio.lowlevel

from fanout.concurrency.channel import Channel
from fanout.concurrency.notify import Notify
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Outcome, Sendable, Upload
from fanout.domain.retry_policy import backoff_s
from fanout.domain.routing import Router
from fanout.domain.tally import Tally
from fanout.engine.journal_writer import JournalWriter
from fanout.engine.open_row import OpenRow
from fanout.engine.open_rows import OpenRows
from fanout.engine.pacing import Gate, Pacer
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.reconciler import Reconciler
from fanout.engine.settings import EngineSettings
from fanout.engine.stages.admit import Admit
from fanout.engine.stages.delete import Delete
from fanout.engine.stages.fetch import Fetch
from fanout.engine.stages.poll import Poll
from fanout.engine.stages.record_intent import record_intent
from fanout.engine.stages.send import Send
from fanout.engine.stages.upload import upload_worker
from fanout.engine.stages.write import Write
from fanout.engine.stop import Stop
from fanout.errors import TooManyFailures
from fanout.failpoints import failpoint
from fanout.output.parts import Part
from fanout.ports import Clock, Cloud, Queue, Rows
from fanout.rundir.journal import Journal
from fanout.rundir.recovery import Recovered

FORGET_ROWS = 250
"""Durable rows that are forgotten in one turn of the event loop: 5,000 at once, then with their outcomes, kept it for
up to 37 ms."""


class Wiring:
    """The stages of one run, and what they share: the ledger, the lanes between them, the order to stop.

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
        run_blocking: Runs what blocks on the disk.
    """

    def __init__(
        self,
        *,
        job: EngineSettings,
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
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        recovered = recovered or Recovered()
        limits = job.limits
        self.job, self.clock, self.pacer = job, clock, pacer
        self.changed = Notify()
        self.stop = stop = Stop(clock=clock, changed=self.changed)
        self._tally = tally
        self._folds = folds
        self._rng = random.Random(job.seed)  # noqa: S311 - jitter
        self._uploads: Channel[tuple[OpenRow, Upload]] = Channel(limits.uploads)
        self._ready: Channel[tuple[OpenRow, Sendable]] = Channel(limits.concurrency)
        self.sending: Channel[tuple[OpenRow, Sendable]] = Channel(limits.concurrency)
        self.claims: Channel[tuple[OpenRow, Notice]] = Channel(2 * limits.fetches)
        self._gate = gate = Gate(pacer, clock)
        self._objects = cloud.objects
        outputs, failures = (
            OutputPaths(job.run_id, path=job.output_path),
            OutputPaths(job.run_id, path=job.failure_path),
        )
        for layout, name in ((outputs, "outputs"), (failures, "failures")):
            if name in recovered.meta:
                layout.load(recovered.meta[name])
        self.open_rows = OpenRows(job.run_id, outputs=outputs, failures=failures)
        self.journal_writer = JournalWriter(journal, open_rows=self.open_rows, run_blocking=run_blocking)
        self.sink = Write(
            directory=job.parts,
            passthrough_schema=source.passthrough_schema,
            clock=clock,
            on_durable=self._durable,
            limits=limits.parts,
            run_blocking=run_blocking,
            earlier=recovered.parts,
        )
        self.ack = Delete(queue=queue, objects=cloud.objects)
        self.collect = None
        if queue is not None:
            self.collect = Poll(
                queue=queue,
                open_rows=self.open_rows,
                clock=clock,
                claims=self.claims,
                acknowledge=self.ack.messages,
                shared=job.shared_queue,
                trust=job.trust_responses,
                wait_s=limits.poll_s,
            )
        self.search = Lookup(open_rows=self.open_rows, objects=cloud.objects, clock=clock, claims=self.claims)
        self.reconcile = Reconciler(
            open_rows=self.open_rows,
            search=self.search,
            clock=clock,
            ready=self._ready,
            finish=self._finish,
            last_notice_at=lambda: self.collect.statistics().last_notice_at if self.collect else None,
            patience=job.patience,
            resumed=bool(recovered.open),
        )
        self.intake = Admit(
            source=source,
            router=Router(job.routing),
            open_rows=self.open_rows,
            uploads=self._uploads,
            ready=self._ready,
            reject=self._reject,
            defer=self.reconcile.defer,
            room=self.sink.room,
            clock=clock,
            changed=self.changed,
            recovered=recovered,
            window=limits.window,
            held_bytes=limits.held_bytes,
            keep_inputs=job.keep_inputs,
            hold=job.retry.generations > 0,
        )
        self.invoke = Send(
            endpoint=job.endpoint,
            invoker=cloud.invoker,
            open_rows=self.open_rows,
            journal_writer=self.journal_writer,
            gate=gate,
            clock=clock,
            rng=self._rng,
            check_endpoint=check_endpoint,
            defer=self.reconcile.defer,
            unknown_s=job.patience.unknown_s,
            hold=self.reconcile.hold,
            finish=self._finish,
            release=self._release,
            claims=self.claims,
            stopping=lambda: stop.at is not None,
        )
        self.fetch = Fetch(
            open_rows=self.open_rows,
            objects=cloud.objects,
            clock=clock,
            finish=self._finish,
            room=self._room,
            again=self._again,
            trust=job.trust_responses,
            got=tally.by_status["succeeded"],
            most_bytes=job.limits.parts.size_bytes,
        )

    async def upload(self) -> None:
        """Upload what goes via S3, until cancelled."""
        await upload_worker(
            self._uploads,
            self._ready,
            objects=self._objects,
            gate=self._gate,
            clock=self.clock,
            release=self._release,
        )

    async def intend(self) -> None:
        """Journal the rows that are about to be sent, until cancelled."""
        await record_intent(
            self._ready,
            self.sending,
            open_rows=self.open_rows,
            journal_writer=self.journal_writer,
            hold=self.reconcile.hold,
        )

    async def _room(self) -> None:
        """Return once what is finished can be taken: neither the disk nor the deletions are far behind."""
        await self.sink.room()
        await self.ack.room()

    def _finish(self, entry: OpenRow, outcome: Outcome) -> None:
        self.open_rows.settle(entry)
        self.intake.release(entry)
        self._add(outcome)

    def _release(self, entry: OpenRow) -> None:
        if not isinstance(entry.item, Inline):  # kept for a re-send after a failure of the model
            self.intake.release(entry)

    def _again(self, entry: OpenRow, text: str | None) -> bool:
        """Send a row again that the model failed with `text`, if that is allowed; tell whether."""
        item = entry.item
        stopping = self.stop.at is not None
        if item is None or stopping or not self.job.retry.allows(generation=entry.generation, text=text):
            return False
        self.open_rows.regenerate(entry)
        self.journal_writer.unsent(entry)
        self.reconcile.defer(entry, item, backoff_s(entry.generation, draw=self._rng.random()))
        return True

    def _reject(self, outcome: Outcome) -> None:
        self.open_rows.seen(outcome.row)
        self._add(outcome)

    def _add(self, outcome: Outcome) -> None:
        self.sink.add(outcome)
        self._tally.add(outcome)
        for fold in self._folds:
            fold(outcome)
        self.changed.notify()
        most = self.job.limits.max_failures
        if most is not None and self._tally.unsuccessful > most:
            self.stop.order(
                TooManyFailures(
                    f"{self._tally.unsuccessful} rows ended without success, {most} are allowed (max_failures); "
                    f"the last: {outcome.error_code}: {outcome.error_message}"
                )
            )

    async def _durable(self, part: Part, rows: list[int]) -> None:
        await self.journal_writer.part(part.number, rows)
        failpoint("part.committed")
        for first in range(0, len(rows), FORGET_ROWS):
            receipts, uploads = self.open_rows.durable(rows[first : first + FORGET_ROWS])
            self.ack.messages(receipts)
            self.ack.uploads(uploads)
            await anyio.lowlevel.checkpoint()
