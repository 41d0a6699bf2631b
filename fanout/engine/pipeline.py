"""Starts every task of a run and ends them in order: the only file of the engine that starts tasks.

What stops a run early (a `RunError` of a stage, a signal, a deadline) stops admission and sends; what the endpoint has
is collected as long as the grace allows.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import anyio

from fanout.domain.remedies import remedy
from fanout.engine.open_row import NOT_RECEIVED, State
from fanout.engine.reconcile.lookup import LOOKERS
from fanout.engine.statistics import PipelineStatistics
from fanout.engine.wiring import Wiring
from fanout.errors import (
    CallError,
    Fenced,
    InputError,
    JournalError,
    RunError,
    StateLost,
    StorageError,
    unwrapped,
)
from fanout.output.parts import Part

DELETERS = 16  # batches of ten deletions in flight: at 20 ms each they keep up with 8,000 rows a second
DELETE_WITHIN_S = 30.0  # at the end: what is left in the queue is recognised, or goes with the queue
ABANDON_WITHIN_S = 10.0  # a person who stops at once waits for it
Worker = Callable[[], Coroutine[object, object, None]]


class Pipeline:
    """One run of the engine: of `wiring`, from the first row to the last durable part."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._stop = wiring.stop

    async def run(self) -> list[Part]:
        """Take every row to its end and return the durable parts, those of earlier processes included.

        Raises:
            RunError: The run could not go on, or `stop` was called; rows that had ended are durable.
        """
        try:
            with unwrapped():
                await self._run()
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._wiring.sink.flush()
                    self._note_what_left()
                    await self._wiring.journal.flush()
                finally:
                    await self._abandon()
        if self._stop.reason is not None:
            raise self._stop.reason
        return list(self._wiring.sink.parts)

    def stop(self, reason: RunError) -> None:
        """Send nothing more; collect what the endpoint has while the grace lasts, then leave with `reason`."""
        self._stop.order(reason)

    async def _run(self) -> None:
        async with anyio.create_task_group() as deleters:
            for _ in range(DELETERS):
                deleters.start_soon(self._wiring.delete.worker)
            await self._work()
            self._take_back_uploads()
            # The pollers have ended: what they would receive again must not keep the deletions going.
            with anyio.move_on_after(DELETE_WITHIN_S):
                await self._wiring.delete.drained()
            deleters.cancel_scope.cancel()

    def _take_back_uploads(self) -> None:
        """Have the payloads deleted of rows that a stop kept from being sent: a resume uploads them again anyway.

        Not where another process may have the run by now: its payloads have the same keys.
        """
        stop, journal = self._stop, self._wiring.journal
        if (
            stop.at is not None
            and not journal.may_be_taken_over
            and not isinstance(stop.reason, JournalError)
        ):
            waiting = self._wiring.rows.waiting(NOT_RECEIVED)
            self._wiring.delete.uploads(
                row.upload for row in waiting if row.upload is not None and row.uploaded_at is not None
            )

    async def _work(self) -> None:
        wiring = self._wiring
        limits = wiring.settings.limits
        async with anyio.create_task_group() as tasks:
            workers: tuple[tuple[Worker, int], ...] = (
                (wiring.upload_worker, limits.uploads),
                (wiring.intent_worker, 1),
                (wiring.send_worker, limits.concurrency),
                (wiring.fetch_worker, limits.fetches),
                (self._look, 1),
                (wiring.lookup.looker, LOOKERS),
                (wiring.endpoint_watch.worker, 1),
                (wiring.backlog.worker, 1),
                (self._poll, limits.pollers),
                (wiring.journal.worker, 1),
            )
            for worker, count in workers:
                for _ in range(count):
                    tasks.start_soon(self._guarded, worker)
            tasks.start_soon(wiring.sink.worker)
            await self._take_in()
            await self._ended()
            # Every row has ended: what is buffered becomes durable, then its messages are deleted.
            wiring.sink.close()
            await wiring.sink.finished.wait()
            tasks.cancel_scope.cancel()  # only loops are left, which wait for rows that will not come

    async def _guarded(self, worker: Worker) -> None:
        """Run a worker; an error of the run stops it in order, one after which nothing becomes durable at once."""
        try:
            await worker()
        except (StorageError, StateLost, Fenced):
            raise
        except RunError as error:
            self.stop(error)
        except CallError as error:  # a refusal that no stage knew what to do with is not a bug of ours
            self.stop(RunError(remedy("AWS", error)))

    def _note_what_left(self) -> None:
        """Note what a stop kept from being sent: a resume need not look for such rows, nor count what never left."""
        if self._stop.at is None:
            return
        rows, journal = self._wiring.rows, self._wiring.journal
        for row in rows.waiting(frozenset({State.QUEUED, State.INTENDED})):
            if row.sends:
                journal.unsent(row)
        for row in rows.waiting(frozenset({State.UNCERTAIN, State.REQUEUED, State.REINTENDED})):
            journal.uncertain(row)

    async def _abandon(self) -> None:
        """Delete what was uploaded for rows that have not ended, if no later process can go on with them."""
        wiring = self._wiring
        if wiring.journal.is_kept:
            return
        uploads = [row.upload for row in wiring.rows.waiting(frozenset(State)) if row.upload is not None]
        with anyio.move_on_after(ABANDON_WITHIN_S):
            await wiring.delete.abandon(uploads)

    async def _take_in(self) -> None:
        try:
            with self._stop.admission:
                await self._wiring.admit.run()
        except InputError as error:
            if not self._wiring.admit.caught_up.is_set():
                self.stop(error)  # rows of the earlier process stay unknown here: nothing can be waited for
            else:
                # Rows before the damage are on their way and paid for: they end first.
                self._stop.reason = error
        except RunError as error:
            self.stop(error)

    async def _ended(self) -> None:
        """Return when every row has ended, or, after the order to stop, when the grace is over."""
        while len(self._wiring.rows):
            if self._stop.at is None:
                await self._wiring.rows.changed.wait()
                continue
            left_s = self._stop.at + self._wiring.settings.limits.grace_s - self._wiring.clock.now()
            if left_s <= 0 or not self._wiring.rows.counts.busy:
                return
            await self._wiring.rows.changed.wait_for(left_s)

    async def _poll(self) -> None:
        # Before the rows of an earlier process are known again, their messages would seem to be of other runs.
        await self._wiring.admit.caught_up.wait()
        if self._wiring.poll is not None:
            await self._wiring.poll.poller()

    async def _look(self) -> None:
        await self._wiring.admit.caught_up.wait()
        await self._wiring.reconciler.worker()

    @property
    def is_owed_results(self) -> bool:
        """Whether the endpoint has, or may have, rows that were taken in and have no outcome."""
        return self._wiring.rows.counts.received > 0

    @property
    def has_caught_up(self) -> bool:
        """Whether every row that an earlier process had in hand was taken in again."""
        return self._wiring.admit.caught_up.is_set()

    def statistics(self) -> PipelineStatistics:
        """Return a snapshot."""
        wiring = self._wiring
        return PipelineStatistics(
            open_rows=wiring.rows.statistics(),
            pacer=wiring.pacer.statistics(),
            sink=wiring.sink.statistics(),
            journal=wiring.journal.statistics(),
            reconciler=wiring.reconciler.statistics(),
            poll=wiring.poll.statistics() if wiring.poll else None,
            held_bytes=wiring.rows.held_bytes,
            unfounded=wiring.fetching.unfounded,
        )
