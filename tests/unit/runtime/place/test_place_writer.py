"""What is durable when, for a run whose journal is kept in S3: intents before they return, the rest along with them."""

from __future__ import annotations

import anyio
import pytest
from support.segments import DENIED, LOST, PLACE, REFUSED, RUN, PlaceAccount
from support.virtual import run_virtual

from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Inline, Options, Outcome, Record, Reply
from fanout.domain.row_state import RowState
from fanout.engine.open_rows import OpenRows
from fanout.errors import Fenced, StateLost
from fanout.output.parts import Part
from fanout.runtime.place.part_store import PartStore
from fanout.runtime.place.place_writer import RENEW_S, PlaceWriter
from fanout.runtime.place.release import LAPSE_S
from fanout.runtime.place.segment import decode

GROUP_S, PUT_S = 0.1, 0.03


async def at_once(call):
    return call()


class Kept:
    """An owner's writer, its open rows and its log."""

    def __init__(self, account, *, store=None):
        self.account = account
        self.store = store or account.store()
        self.log = account.log(self.store)
        self.rows = OpenRows(RUN, outputs=OutputPaths(RUN), failures=OutputPaths(RUN), keep_payloads=True)
        parts = PartStore(self.store, PLACE, clock=account.clock, run_blocking=at_once)
        self.writer = PlaceWriter(
            self.log,
            store=parts,
            rows=self.rows,
            clock=account.clock,
            every_s=GROUP_S,
            run_blocking=at_once,
        )

    def row(self, number):
        """Return a row that has an attempt, whose intent is not durable."""
        row = self.rows.admit(Record(number, None, b"", Options()), Inline(Options(), b""))
        assert self.rows.attempt(row)
        return row

    def accepted(self, row):
        self.rows.intend(row)
        self.rows.send(row, due=self.account.clock.now(), now=self.account.clock.now())
        self.rows.accept(row, Reply("id", f"s3://b/{row.number}", None), now=self.account.clock.now())
        self.writer.accepted(row)

    def segments(self):
        """Return what each segment after the claim says: states of rows, and parts."""
        found = []
        for key in self.account.keys(PLACE.journal)[1:]:
            number = int(key.removesuffix(".zst").rpartition("/")[2])
            segment = decode(self.account.body(PLACE.segment(number)), key)
            states = [(line.row, RowState(line.state).name) for line in segment.lines]
            found.append((states, [new.part.number for new in segment.parts]))
        return found


def keeping(play):
    async def main():
        account = PlaceAccount(latency={"s3": {"median_s": PUT_S, "sigma": 0.0}})
        kept = Kept(account)
        await kept.log.claim(begins=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kept.writer.worker)
            await play(kept)
            tasks.cancel_scope.cancel()

    run_virtual(main)


def test_an_intent_is_durable_when_its_call_returns_and_takes_along_what_was_noted():
    async def play(kept):
        first, second = kept.row(0), kept.row(1)
        await kept.writer.intend([first])
        assert kept.segments() == [([(0, "INTENT")], [])]
        kept.accepted(first)
        await kept.writer.intend([second])
        assert kept.segments()[1:] == [([(0, "ACCEPTED"), (1, "INTENT")], [])]
        assert second.held_s == pytest.approx(PUT_S)

    keeping(play)


def test_what_its_durability_took_counts_as_the_wait_of_a_row():
    async def play(kept):
        row = kept.row(0)
        await kept.writer.intend([row])
        kept.rows.intend(row)
        kept.rows.send(row, due=100.0, now=100.0)
        assert row.due_at == pytest.approx(100.0 - row.held_s)

    keeping(play)


def test_acceptances_alone_are_durable_a_group_later_in_one_segment():
    async def play(kept):
        rows = [kept.row(number) for number in range(3)]
        await kept.writer.intend(rows)
        for row in rows:
            kept.accepted(row)
            await anyio.sleep(0.01)
        await anyio.sleep(2 * GROUP_S)
        assert kept.segments()[1:] == [([(0, "ACCEPTED"), (1, "ACCEPTED"), (2, "ACCEPTED")], [])]

    keeping(play)


def outcome(row, status="succeeded", **more):
    return Outcome(
        row=row,
        id=None,
        status=status,
        payload_bytes=7,
        transport="inline",
        passthrough=(),
        ended_at=1.0,
        **more,
    )


def test_a_part_is_there_before_its_rows_are_durable_and_says_what_they_came_to(tmp_path):
    path = tmp_path / "part-00003.parquet"
    path.write_bytes(b"content")

    async def play(kept):
        kept.writer.count(outcome(4, response=b"12345", resends=2, possible_attempts=1))
        kept.writer.count(outcome(9, "failed", error_code="E", error_message="why"))
        kept.writer.count(outcome(10))  # of the next part
        await kept.writer.part(Part(path, 3, 2, 4, 9, 7), [9, 4])
        assert kept.account.body(PLACE.part("0000000001/part-00003.parquet")) == b"content"
        state = kept.log.state
        assert state.parts[3].name == "0000000001/part-00003.parquet"
        assert [bool(each) for each in state.durable[:11]] == [row in {4, 9} for row in range(11)]
        tally = state.tally
        assert (tally.rows, tally.unsuccessful, tally.response_bytes, tally.resends) == (2, 1, 5, 2)
        assert dict(tally.examples) == {"E": "why"}

    keeping(play)


def test_a_part_that_s3_does_not_take_ends_the_run(tmp_path):
    path = tmp_path / "part-00000.parquet"
    path.write_bytes(b"content")

    async def play(kept):
        kept.writer.count(outcome(0))
        kept.store.before["put"] = [DENIED] * 100
        with pytest.raises(StateLost, match=r"parts/0000000001/part-00000.parquet"):
            await kept.writer.part(Part(path, 0, 1, 0, 0, 7), [0])
        assert kept.log.state.parts == {}

    keeping(play)


def test_nothing_is_durable_by_silence_once_a_segment_was_not_stored():
    async def main():
        kept = Kept(PlaceAccount())
        await kept.log.claim(begins=True)
        kept.log._patience_s = 1.0
        kept.store.before["put"] = [LOST] * 100
        with pytest.raises(StateLost):
            await kept.writer.intend([kept.row(0)])
        kept.store.before["put"].clear()
        with pytest.raises(StateLost):  # its lines were taken: nothing waits, and nothing is stored
            await kept.writer.flush()
        with pytest.raises(StateLost):
            await kept.writer.wait()

    run_virtual(main)


def test_a_fenced_owner_learns_it_wherever_it_asks():
    async def main():
        account = PlaceAccount()
        kept = Kept(account)
        await kept.log.claim(begins=True)
        await account.log().claim(begins=False)
        with pytest.raises(Fenced):
            await kept.writer.intend([kept.row(0)])
        assert not kept.writer.holds()
        with pytest.raises(Fenced):
            await kept.writer.wait()
        with pytest.raises(Fenced):
            await kept.writer.flush()

    run_virtual(main)


def test_a_release_that_has_lapsed_is_shown_anew_by_one_segment():
    async def main():
        kept = Kept(PlaceAccount())
        await kept.log.claim(begins=True)
        await anyio.sleep(LAPSE_S)
        assert not kept.writer.holds()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(kept.writer.wait)
        assert kept.writer.holds()
        assert kept.segments() == [([], [])]

    run_virtual(main)


def test_it_does_not_lapse_while_rows_wait_for_their_turn():
    async def play(kept):
        row = kept.row(0)
        await kept.writer.intend([row])
        kept.rows.intend(row)
        for _ in range(100):
            await anyio.sleep(0.1)
            assert kept.writer.holds()
        assert 10.0 / LAPSE_S <= len(kept.segments()) <= 10.0 / RENEW_S + 2

    keeping(play)


def test_nothing_is_written_while_no_row_waits():
    async def play(kept):
        await anyio.sleep(60.0)
        assert kept.segments() == []
        assert not kept.writer.holds()

    keeping(play)


def test_a_row_waits_while_s3_does_not_answer_and_then_goes():
    async def play(kept):
        kept.store.before["put"] = [REFUSED] * 6
        await kept.writer.intend([kept.row(0)])
        assert kept.segments() == [([(0, "INTENT")], [])]
        assert kept.writer.statistics().groups == 1

    keeping(play)
