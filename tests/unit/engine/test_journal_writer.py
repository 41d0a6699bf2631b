"""When the journal is written: an acceptance soon after it was noted, but in no group that another group would save."""

from __future__ import annotations

import pytest
import trio
from support.virtual import VirtualClock, run_virtual

from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Notice, Options, Record, Reply
from fanout.domain.row_state import RowState
from fanout.engine.journal_writer import LAG_S, JournalWriter
from fanout.engine.open_rows import OpenRows

RUN = "abcdefghij"


class Pages:
    """A journal that notes when what was written."""

    def __init__(self):
        self.groups = []
        self.lines = {}

    def write(self, lines, meta=()):
        self.lines |= {line.row: line for line in lines}
        self.groups.append((trio.current_time(), [(line.row, line.state) for line in lines]))


def rows_of(number):
    """Return the open rows of a run, and one of them that the endpoint has accepted."""
    open_rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN), keep_payloads=True)
    row = open_rows.admit(Record(number, None, b"", Options()), Inline(Options(), b""))
    sent(open_rows, row)
    open_rows.accept(row, Reply("id", f"s3://bucket/out/{number}", None), now=0.0)
    return open_rows, row


def sent(open_rows, row):
    assert open_rows.attempt(row)
    assert open_rows.intend(row)
    open_rows.send(row, due=0.0, now=0.0)


async def at_once(call):
    return call()


async def in_200_ms(call):
    await trio.sleep(0.2)
    return call()


def written(play, *, run_blocking=at_once):
    """Return what was written when, in seconds after the start, while `play` ran beside the worker."""

    async def main():
        pages = Pages()
        open_rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN))
        rows = [
            open_rows.admit(Record(row, None, b"", Options()), Inline(Options(), b"")) for row in range(100)
        ]
        journal_writer = JournalWriter(
            pages, places=open_rows.places, clock=VirtualClock(), run_blocking=run_blocking
        )
        await journal_writer.flush()  # where outputs stand is written once
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal_writer.worker)
            await play(journal_writer, rows)
            nursery.cancel_scope.cancel()
        return [(round(at - started, 6), lines) for at, lines in pages.groups[1:]]

    return run_virtual(main)


def test_an_acceptance_is_durable_soon_although_nothing_else_happens():
    async def play(journal_writer, rows):
        for row in rows[:3]:
            journal_writer.accepted(row)
            await trio.sleep(0.01)
        await trio.sleep(1.0)
        journal_writer.accepted(rows[3])
        await trio.sleep(1.0)

    assert written(play) == [
        (LAG_S, [(row, RowState.ACCEPTED) for row in range(3)]),
        (pytest.approx(1.03 + LAG_S), [(3, RowState.ACCEPTED)]),
    ]


def test_what_the_next_intents_take_along_needs_no_group_of_its_own():
    """At 100 open rows a fifth of all groups were such, of one or two lines, and each costs what a hundred do."""

    async def play(journal_writer, rows):
        for row in range(0, 80, 2):
            journal_writer.accepted(rows[row])
            await trio.sleep(0.4 * LAG_S)
            await journal_writer.intend([rows[row + 1]])

    groups = written(play)
    assert [[row for row, _ in lines] for _, lines in groups] == [[row, row + 1] for row in range(0, 80, 2)]


def test_on_a_slow_disk_acceptances_wait_for_the_intents_that_are_next():
    async def play(journal_writer, rows):
        for row in range(0, 20, 2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal_writer.intend, [rows[row]])
                await trio.sleep(0.12)
                journal_writer.accepted(rows[row + 1])  # due while the intents before it are written
            await trio.sleep(0.01)

    groups = written(play, run_blocking=in_200_ms)
    assert [[row for row, _ in lines] for _, lines in groups] == [
        [0],
        *([row, row + 1] for row in range(1, 19, 2)),
    ]


@pytest.mark.parametrize("resends", [0, 1])
def test_a_row_that_will_be_sent_again_without_proof_is_counted_by_the_next_process_too(resends):
    """Killed or stopped between the failure that was believed and the request, the run forgot that it was a re-send."""

    async def main():
        pages = Pages()
        open_rows, row = rows_of(7)
        journal_writer = JournalWriter(
            pages, places=open_rows.places, clock=VirtualClock(), run_blocking=at_once
        )
        open_rows.claim(Notice(7, 0, 1, False, "sqs", 0.0))
        open_rows.regenerate(row, resends=resends)
        journal_writer.unsent(row)
        assert open_rows.outcome(row, status="failed").resends == 0, "nothing was sent again yet"
        await journal_writer.flush()
        return pages.lines[7]

    line = run_virtual(main)
    assert (line.state, line.generation, line.resends) == (RowState.READY, 1, resends)
    later = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN))
    record = Record(7, None, b"", Options())
    row = later.restore(record, Inline(Options(), b""), line, upload=None, now=100.0)
    sent(later, row)
    outcome = later.outcome(row, status="failed")
    assert (outcome.attempts, outcome.resends) == (2, resends)
