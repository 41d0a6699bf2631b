"""Makes the stages of a run and joins them: what each takes from the others.

It runs nothing and starts no task: `Pipeline` does that.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence

from fanout.concurrency.byte_limiter import ByteLimiter
from fanout.concurrency.channel import Channel
from fanout.concurrency.threads import RunBlocking, run_in_thread
from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Outcome, Rejected, Upload
from fanout.domain.retry_policy import backoff_s
from fanout.domain.routing import Router
from fanout.domain.tally import Tally
from fanout.engine.flow import EndpointCheck, Sink
from fanout.engine.inline_support import InlineSupport
from fanout.engine.journal_writer import SERVICE_TIMES, JournalWriter
from fanout.engine.open_row import OpenRow, State
from fanout.engine.open_rows import OpenRows
from fanout.engine.outcomes import Outcomes, rejection
from fanout.engine.pacing import Gate, Pacer
from fanout.engine.reconcile.backlog import BacklogWatch
from fanout.engine.reconcile.endpoint_watch import EndpointWatch
from fanout.engine.reconcile.lookup import Lookup
from fanout.engine.reconcile.reconciler import Reconciler
from fanout.engine.reconcile.service_times import ServiceTimes
from fanout.engine.reconcile.settle import Settle
from fanout.engine.result_objects import ResultObjects
from fanout.engine.settings import EngineSettings
from fanout.engine.stages.admit import Admit, AdmitLimits
from fanout.engine.stages.delete import Delete
from fanout.engine.stages.deliver import Deliver
from fanout.engine.stages.fetch import Fetch
from fanout.engine.stages.poll import Poll
from fanout.engine.stages.record_intent import record_intent
from fanout.engine.stages.send import Send
from fanout.engine.stages.upload import upload_worker
from fanout.engine.stages.write import Write
from fanout.engine.stop import Stop
from fanout.output.response_columns import response_columns
from fanout.ports import Clock, Cloud, Queue, Rows
from fanout.rundir.journal import Journal
from fanout.rundir.recovery import Recovered

_log = logging.getLogger(__name__)
INLINE_AGAIN_S = 1.0
"""Until a payload that was refused in the request, and has no other way, is sent again: others are accepted by then."""


class Wiring:
    """The stages of one run, and how rows pass between them (`engine.flow.Flow`).

    Args:
        settings: What to do.
        source: The rows.
        cloud: The world.
        queue: Where notifications arrive; None to find results by listing.
        clock: The run's clock.
        pacer: Decides when requests are due.
        check_endpoint: Raises RunError when the endpoint is gone or out of service.
        tally: Counts every outcome.
        folds: Take every outcome, too: metrics, an experiment.
        journal: The open journal; None to keep none.
        make_journal: Makes what writes the journal, where that is not a file of this machine.
        recovered: What earlier processes of the run left behind.
        run_blocking: Runs what blocks on the disk.
        deliver: Takes each outcome at once; None to write part files.
        warn: Called with what a person should know, the same text possibly again.
    """

    def __init__(
        self,
        *,
        settings: EngineSettings,
        source: Rows,
        cloud: Cloud,
        queue: Queue | None,
        clock: Clock,
        pacer: Pacer,
        check_endpoint: EndpointCheck,
        tally: Tally,
        journal: Journal | None = None,
        make_journal: Callable[[OpenRows], JournalWriter] | None = None,
        recovered: Recovered | None = None,
        folds: Sequence[Callable[[Outcome], None]] = (),
        run_blocking: RunBlocking = run_in_thread,
        deliver: Callable[[Outcome], None] | None = None,
        warn: Callable[[str], None] = _log.warning,
    ) -> None:
        recovered = recovered or Recovered()
        limits = settings.limits
        self.settings, self.clock, self.pacer = settings, clock, pacer
        self._rng = random.Random(settings.seed)  # noqa: S311 - jitter
        self._objects = cloud.objects
        self._gate = Gate(pacer, clock)
        self._uploads: Channel[OpenRow] = Channel(limits.uploads)
        self._ready: Channel[OpenRow] = Channel(limits.concurrency)
        self._sending: Channel[OpenRow] = Channel(limits.concurrency)
        self._claimed: Channel[OpenRow] = Channel(2 * limits.fetches)
        self.rows = OpenRows(
            settings.run_id,
            outputs=_paths(settings, recovered, "outputs", settings.output_path),
            failures=_paths(settings, recovered, "failures", settings.failure_path),
            keep_payloads=settings.retry.generations > 0,
        )
        self.stop = Stop(clock=clock, changed=self.rows.changed)
        self.journal = (
            JournalWriter(journal, places=self.rows.places, clock=clock, run_blocking=run_blocking)
            if make_journal is None
            else make_journal(self.rows)
        )
        self.delete = Delete(queue=queue, objects=cloud.objects, clock=clock)
        service_times = ServiceTimes(started_at=clock.now())
        if SERVICE_TIMES in recovered.meta:
            service_times.load(recovered.meta[SERVICE_TIMES])
        self.journal.service_times = service_times
        self._outcomes = Outcomes(
            rows=self.rows,
            tally=tally,
            folds=(*folds, service_times.add, *self.journal.folds),
            journal=self.journal,
            delete=self.delete,
            stop=self.stop,
            clock=clock,
            max_failures=limits.max_failures,
        )
        self.sink: Sink
        if deliver is not None:
            self.sink = Deliver(take=deliver, forget=self._outcomes.forget, clock=clock)
        else:
            assert settings.parts is not None, "part files need a directory"
            self.sink = Write(
                directory=settings.parts,
                passthrough_schema=source.passthrough_schema,
                fields=response_columns(settings.responses.fields),
                clock=clock,
                on_durable=self._outcomes.durable,
                limits=limits.parts,
                run_blocking=run_blocking,
                earlier=recovered.parts,
            )
        self.lookup = Lookup(rows=self.rows, flow=self, objects=cloud.objects, clock=clock)
        self.backlog = BacklogWatch(control=cloud.control, endpoint=settings.endpoint, clock=clock)
        self.settle = Settle(
            rows=self.rows,
            flow=self,
            lookup=self.lookup,
            clock=clock,
            backlog=self.backlog,
            hears_failures=settings.hears_failures,
        )
        self.reconciler = Reconciler(
            rows=self.rows,
            flow=self,
            lookup=self.lookup,
            settle=self.settle,
            backlog=self.backlog,
            clock=clock,
            service_times=service_times,
            last_notice_at=self._last_notice_at,
            policy=settings.lookup,
            resumed=bool(recovered.open),
        )
        support = InlineSupport()
        router = Router(settings.routing, inline_refused=lambda: support.is_refused)
        self.endpoint_watch = EndpointWatch(
            rows=self.rows, service_times=service_times, look=check_endpoint.look, clock=clock
        )
        self.admit = Admit(
            source=source,
            router=router,
            support=support,
            rows=self.rows,
            flow=self,
            clock=clock,
            recovered=recovered,
            limits=AdmitLimits(limits.window, limits.held_bytes, settings.keep_inputs),
        )
        self._send = Send(
            endpoint=settings.endpoint,
            invoker=cloud.invoker,
            rows=self.rows,
            flow=self,
            journal=self.journal,
            gate=self._gate,
            clearance=self.journal.clearance,
            clock=clock,
            rng=self._rng,
            check_endpoint=check_endpoint,
            support=support,
            via_s3=router.via_s3,
            warn=warn,
        )
        self.poll = None
        if queue is not None:
            self.poll = Poll(
                queue=queue,
                rows=self.rows,
                flow=self,
                clock=clock,
                shared=settings.shared_queue,
                trust=settings.trust_responses,
                exclusive=self.journal.clearance is None,
                warn=warn,
                lost=self.reconciler.listen_no_more,
                wait_s=limits.poll_s,
            )
        results = ResultObjects(
            rows=self.rows,
            objects=cloud.objects,
            clock=clock,
            got=tally.by_status["succeeded"] + tally.by_status["invalid"],
            budget=ByteLimiter(limits.held_bytes, holder=self.sink),
            response_max_bytes=limits.response_max_bytes,
        )
        self.fetching = Fetch(
            rows=self.rows, flow=self, objects=results, clock=clock, trust=settings.trust_failures
        )

    # The workers that the pipeline starts, each of which runs until it is cancelled.

    async def upload_worker(self) -> None:
        """Upload what goes via S3."""
        await upload_worker(
            self._uploads,
            rows=self.rows,
            flow=self,
            objects=self._objects,
            gate=self._gate,
            clock=self.clock,
            kms_key_id=self.settings.kms_key_id,
            tags=self.settings.input_tags,
        )

    async def intent_worker(self) -> None:
        """Journal the rows that are about to be sent."""
        await record_intent(
            self._ready, self._sending, rows=self.rows, journal=self.journal, clock=self.clock
        )

    async def send_worker(self) -> None:
        """Send rows."""
        await self._send.worker(self._sending)

    async def fetch_worker(self) -> None:
        """Fetch results."""
        await self.fetching.worker(self._claimed)

    # How rows pass between the stages.

    @property
    def stopping(self) -> bool:
        """Whether no row may be sent any more."""
        return self.stop.at is not None

    async def upload(self, row: OpenRow) -> None:
        """Have the row's payload put into S3, then the row sent."""
        await self._uploads.put(row)

    async def send(self, row: OpenRow) -> None:
        """Have the row sent: its intent is journalled first."""
        await self._ready.put(row)

    async def fetch(self, row: OpenRow) -> None:
        """Have the result of a row fetched that a notice has claimed."""
        await self._claimed.put(row)

    def doubt(self, row: OpenRow, *, more_s: float = 0.0) -> None:
        """Have an uncertain row looked for when its result should have come, and sent if it is nowhere."""
        self.reconciler.doubt(row, more_s=more_s)

    def release(self, row: OpenRow) -> None:
        """Take back the claim on a row that S3 does not confirm."""
        self.reconciler.release(row)

    def found(self, row: OpenRow, modified_at: float | None) -> None:
        """Take note that the row's object was found."""
        self.settle.found(row, modified_at)

    def send_after_failure(self, row: OpenRow, text: str | None, *, resends: int = 0) -> bool:
        """Have a row that the model failed with `text` sent again, if that is allowed; return whether it is."""
        allowed = self.settings.retry.allows(generation=row.generation, text=text)
        if row.item is None or self.stopping or not allowed:
            return False
        self.rows.regenerate(row, resends=resends)
        self.journal.unsent(row)
        self.reconciler.defer(row, backoff_s(row.generation, draw=self._rng.random()))
        return True

    def refuse_inline(self, row: OpenRow, otherwise: Upload | None) -> None:
        """Have a row that was refused in the request sent `otherwise`; if that is None, again in a while."""
        if otherwise is not None:
            row.take_way_via_s3(otherwise, upload=self.admit.upload_of(otherwise))
        self.rows.refuse_inline(row)
        # By the reconciler: a sender that waited for room among the uploads would keep them from being sent.
        if row.state is not State.DEFERRED:
            self.doubt(row)
        else:
            self.reconciler.defer(row, INLINE_AGAIN_S if otherwise is None else 0.0)

    def finish(self, row: OpenRow, **facts: object) -> None:
        """End the row with an outcome of these `facts` (fields of `Outcome`)."""
        outcome = self.rows.outcome(row, ended_at=self.clock.now(), **facts)
        self.settings.responses.apply(outcome)
        self.rows.settle(row)
        self._add(outcome)

    def reject(self, rejected: Rejected) -> None:
        """End a row that cannot be sent."""
        self.rows.seen(rejected.row)
        self._add(rejection(rejected, now=self.clock.now()))

    def acknowledge(self, receipts: Iterable[str]) -> None:
        """Have messages deleted that no row needs any more."""
        self.delete.messages(receipts)

    def discard(self, upload: Location) -> None:
        """Have an uploaded input deleted that was stored after its row was forgotten."""
        self.delete.uploads([upload])

    async def room(self) -> None:
        """Return once what is finished can be taken: neither the disk nor the deletions are far behind."""
        await self.sink.room()
        await self.delete.room()

    def _add(self, outcome: Outcome) -> None:
        self.sink.add(outcome)
        self._outcomes.add(outcome)

    def _last_notice_at(self) -> float | None:
        return self.poll.statistics().last_notice_at if self.poll is not None else None


def _paths(settings: EngineSettings, recovered: Recovered, name: str, path: str | None) -> OutputPaths:
    """Return where the run's objects of one kind stand, as far as its journal and the endpoint say."""
    paths = OutputPaths(settings.run_id, path=path)
    if name in recovered.meta:
        paths.load(recovered.meta[name])
    return paths
