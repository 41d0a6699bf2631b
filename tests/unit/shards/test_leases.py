"""The rate of a run is dealt out by leases: shards come, end and are lost, with real pacing, on a virtual clock."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest
from support.audit import busiest_second

from fanout.engine.pacing import Pacer
from fanout.shards.leases import RENEW_S, TERM_S, Lease, Leases


@dataclass
class Shard:
    """One shard: its pacer, and its lease; it always has something to send."""

    number: int
    starts_at: float
    dies_at: float
    heard_of: bool
    lease: Lease = field(default_factory=Lease)
    pacer: Pacer = field(default_factory=lambda: Pacer(rate_per_s=1.0, leased=True))
    sent: list[float] = field(default_factory=list)


class World:
    """Driver and shards, with messages that take their time, on a clock of events."""

    def __init__(self, rate, shards, *, seed, delay_s, ends_at):
        self.rng, self.delay_s, self.ends_at = random.Random(seed), delay_s, ends_at
        self.leases, self.shards = Leases(rate), shards
        self.events, self.order = [], itertools.count()
        self.sent: list[float] = []
        for shard in shards:
            self.at(shard.starts_at, self.start, shard)
            if shard.dies_at < ends_at:
                self.at(shard.dies_at, self.die, shard)

    def at(self, when, call, *arguments):
        heapq.heappush(self.events, (when, next(self.order), call, arguments))

    def run(self):
        while self.events and self.events[0][0] < self.ends_at:
            now, _, call, arguments = heapq.heappop(self.events)
            call(now, *arguments)
        return sorted(self.sent)

    def start(self, now, shard):
        self.leases.started(shard.number)
        self.ask(now, shard)
        self.send(now, shard)

    def die(self, now, shard):
        (self.leases.ended if shard.heard_of else self.leases.lost)(shard.number)

    def ask(self, now, shard):
        if now < shard.dies_at:
            self.at(now + self.rng.uniform(0, self.delay_s), self.answer, shard, now, shard.lease.held)
            self.at(now + RENEW_S, self.ask, shard)

    def answer(self, now, shard, asked_at, held):
        if now < shard.dies_at:
            number, rate = self.leases.renew(shard.number, held=held, now=now)
            self.at(now + self.rng.uniform(0, self.delay_s), self.grant, shard, number, rate, asked_at)

    def grant(self, now, shard, number, rate, asked_at):
        if now < shard.dies_at and shard.lease.granted(number, rate, asked_at=asked_at):
            shard.pacer.allow(rate, now=now, until=shard.lease.until)

    def send(self, now, shard):
        # One that is not heard of sends until its lease lapses.
        if now >= shard.dies_at + (0.0 if shard.heard_of else 60.0):
            return
        due = shard.pacer.due(now, since=now)
        if due <= now:
            shard.pacer.charge(due)
            self.sent.append(now)
            due = shard.pacer.due(now, since=now)
        self.at(max(due, now + 1e-6), self.send, shard)


def in_window(sent, start, seconds=1.0):
    return sum(start <= at < start + seconds for at in sent) / seconds


def seeds(count, *, every_day):
    """Seeds from 0 on, the first of them for every day and the others for the campaign."""
    return [
        pytest.param(seed, marks=[] if seed < every_day else pytest.mark.campaign) for seed in range(count)
    ]


@pytest.mark.parametrize("rate", [100.0, 300.0, 1_000.0])
@pytest.mark.parametrize("heard_of", [True, False], ids=["killed", "lost"])
@pytest.mark.parametrize("seed", seeds(6, every_day=2))
def test_the_sum_never_exceeds_the_rate_and_is_whole_again_3_s_after_a_death(rate, heard_of, seed):
    shards = [Shard(number, 0.3 * number, float("inf"), True) for number in range(4)]
    shards[seed % 4].dies_at, shards[seed % 4].heard_of = 10.37, heard_of
    shards.append(Shard(4, 20.1, float("inf"), True))  # the same, started again
    sent = World(rate, shards, seed=seed, delay_s=0.2 if not heard_of else 0.02, ends_at=30.0).run()
    assert busiest_second(sent) <= rate * 1.01
    for start in (5.0, 9.0, 13.37, 16.0, 23.1, 28.0):
        assert in_window(sent, start) >= rate * 0.98, start


@pytest.mark.parametrize("seed", seeds(12, every_day=4))
def test_whatever_comes_and_goes_the_sum_stays_within_the_rate(seed):
    rng = random.Random(seed)
    shards = []
    for number in range(16):
        starts_at = rng.uniform(0.0, 20.0)
        shards.append(Shard(number, starts_at, starts_at + rng.expovariate(1 / 8.0), rng.random() < 0.5))
    sent = World(800.0, shards, seed=seed, delay_s=0.4, ends_at=40.0).run()
    assert sent
    assert busiest_second(sent) <= 808


def test_one_that_hears_nothing_sends_nothing_once_its_lease_has_lapsed():
    pacer, lease = Pacer(rate_per_s=1.0, leased=True), Lease()
    assert pacer.due(0.0) > 0.0, "nothing was granted yet"
    assert lease.granted(1, 50.0, asked_at=0.0)
    pacer.allow(50.0, now=0.1, until=lease.until)
    assert pacer.due(0.13) <= 0.13
    assert pacer.due(TERM_S - 0.01, since=0.0) <= TERM_S
    assert pacer.due(TERM_S, since=0.0) > TERM_S
    assert pacer.ready(TERM_S) == 0
    assert not lease.granted(1, 70.0, asked_at=9.0), "an old grant changes nothing"


def test_a_grant_of_nothing_is_none():
    leases = Leases(10.0)
    assert leases.renew(0, held=0, now=0.0) == (1, 10.0)
    number, rate = leases.renew(1, held=0, now=0.1)
    assert rate == 0.0, "the other one has all of it still"
    pacer = Pacer(rate_per_s=1.0, leased=True)
    pacer.allow(rate, now=0.1, until=2.1)
    assert pacer.due(0.2) > 0.2
    assert leases.renew(0, held=1, now=0.5) == (3, 5.0)
    assert leases.renew(1, held=number, now=0.6)[1] == 0.0, "it has not said yet that it goes by less"
    assert leases.renew(0, held=3, now=1.0) == (5, 5.0)
    assert leases.renew(1, held=4, now=1.1) == (6, 5.0)
    leases.ended(0)
    assert leases.renew(1, held=6, now=1.6) == (7, 10.0)
