"""Several owners in any interleaving, with lost replies and pauses: no row is ever two processes' to send."""

from __future__ import annotations

import random

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.segments import BUSY, CONFLICT, LOST, REFUSED, PlaceAccount, line
from support.virtual import run_virtual

from fanout.errors import Fenced, JournalError, StateLost
from fanout.runtime.place.keeper import Keeper
from fanout.runtime.place.release import LAPSE_S

PROCESSES = 4
ERRORS = [LOST, LOST, REFUSED, BUSY, CONFLICT]


class Process:
    """One owner: it claims, writes intents of rows that are its to send, and at times is paused, or takes snapshots."""

    def __init__(self, account, rng, world):
        self.store = account.store()
        self.log = account.log(self.store, patience_s=5.0)
        self.account, self.rng, self.world = account, rng, world
        self.rows = set()
        self.paused_until = 0.0

    async def live(self, at):
        clock = self.account.clock
        await clock.sleep(at)
        try:
            await self.log.claim(begins=False)
            claimed_at, left = clock.now(), set(self.log.state.open)
            keeper = Keeper(
                self.log, self.account.cloud.objects, clock=clock, every_s=0.0, run_blocking=in_place
            )
            for _ in range(self.rng.randint(1, 25)):
                await clock.sleep(self.rng.choice([0.0, 0.05, 0.1, 0.7]))
                if self.rng.random() < 0.1:
                    await clock.sleep(self.rng.choice([1.0, 30.0]))  # stopped, and continued
                if self.rng.random() < 0.15:
                    await keeper.snapshot()
                self.fail_some()
                again = left if clock.now() >= claimed_at + LAPSE_S else set()
                fresh = {self.world.next_row() for _ in range(self.rng.randint(0, 3))}
                rows = fresh | again
                await self.log.append(lines=[line(row) for row in sorted(rows)])
                left -= rows
                self.rows |= rows
        except (Fenced, StateLost, JournalError):
            pass

    def fail_some(self):
        self.store.before["put"] = [self.rng.choice(ERRORS) for _ in range(self.rng.choice([0, 0, 0, 1, 4]))]
        self.store.after["put"] = [LOST] if self.rng.random() < 0.15 else []


async def in_place(call):
    return call()


class Rows:
    def __init__(self):
        self.row = 0

    def next_row(self):
        self.row += 1
        return self.row


@settings(max_examples=examples(30))
@given(st.integers(0, 2**32))
def test_no_row_is_ever_two_processes_to_send(seed):
    async def main():
        rng = random.Random(seed)
        account, rows = PlaceAccount(), Rows()
        first = account.log()
        await first.claim(begins=True)
        processes = [Process(account, rng, rows) for _ in range(PROCESSES)]
        over = False

        async def watch():
            while not over:
                free = [process.rows for process in processes if process.log.is_released()]
                assert sum(map(len, free)) == len(set().union(*free)), "a row is two processes' to send"
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            async with trio.open_nursery() as living:
                for process in processes:
                    living.start_soon(process.live, rng.uniform(0.0, 8.0))
            over = True
        last = account.log()
        await last.claim(begins=False)  # what is left is whole: nothing is missing, foreign or twice
        written = set().union(*(process.rows for process in processes))
        assert written <= set(last.state.open)
        owners = sum(bool(process.log.stored) for process in processes)
        assert len(last.state.claims) >= 2 + owners - 1

    run_virtual(main)
