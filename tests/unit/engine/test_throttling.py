"""How fast the limit of a service is found and kept, on a virtual clock: 64 connections, 20 ms, drawn from a seed."""

from __future__ import annotations

import pytest
from support.throttled import CONNECTIONS, ROUND_TRIP_S, AtRandom, Both, Sender, TokenBucket, play

from fanout.engine.pacing import Pacer

COULD_BE = CONNECTIONS / ROUND_TRIP_S  # requests a second that the connections can make


def paced(**arguments):
    return Sender(Pacer(), **arguments)


@pytest.mark.parametrize(
    ("limit", "burst"), [(50, 5), (50, 100), (300, 6), (300, 600), (1_000, 20), (1_000, 2_000), (2_500, 50)]
)
def test_a_limit_is_found_in_the_first_seconds_and_kept(limit, burst):
    sender = paced()
    play(TokenBucket(limit, burst=burst), [sender], seconds=30)
    assert sender.goodput(0, 20) >= 0.95 * limit
    assert sender.goodput(20, 30) >= 0.98 * limit
    assert sender.refused_share(1, 30) <= 0.02


@pytest.mark.parametrize(("limit", "burst"), [(50, 5), (300, 600), (1_000, 20), (1_000, 2_000)])
def test_a_limit_that_doubles_is_used_within_ten_seconds(limit, burst):
    sender = paced()
    play(TokenBucket(limit, burst=burst, changes=[(15, 2 * limit)]), [sender], seconds=28)
    assert sender.goodput(25, 28) >= 0.9 * 2 * limit


@pytest.mark.parametrize(("limit", "burst"), [(300, 6), (1_000, 20), (2_500, 50)])
def test_a_limit_that_halves_is_left_within_two_seconds(limit, burst):
    sender = paced()
    play(TokenBucket(limit, burst=burst, changes=[(10, limit / 2)]), [sender], seconds=20)
    assert sender.refused_share(12, 20) <= 0.04
    assert sender.goodput(12, 20) >= 0.9 * limit / 2


@pytest.mark.parametrize(("share", "used"), [(0.01, 0.6), (0.05, 0.6), (0.3, 0.2), (0.5, 0.2)])
def test_refusals_that_do_not_follow_the_rate_do_not_end_it(share, used):
    sender = paced()
    play(AtRandom(share), [sender], seconds=20)
    assert sender.goodput(0, 20) >= used * COULD_BE * (1 - share)


class FirstAndSome:
    """Refuses the first request of all, and after it a share of them, whatever the rate."""

    def __init__(self, share):
        self._share, self._asked = share, 0

    def takes(self, now, draw):
        self._asked += 1
        return self._asked > 1 and draw >= self._share


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_refusal_before_any_other_answer_is_no_measure_of_the_rate(share):
    """The first cut is a guess from few answers: left as it was, a twentieth refused held 3,200 a second at 32."""
    sender = paced()
    play(FirstAndSome(share), [sender], seconds=15)
    assert sender.goodput(0, 15) >= 0.6 * COULD_BE * (1 - share)


def test_a_refusal_before_any_other_answer_is_no_measure_of_a_configured_rate():
    """It was: of 1,000 a second, 2 % were left of what a service takes that refuses a twentieth."""
    sender = Sender(Pacer(rate_per_s=1_000.0))
    play(FirstAndSome(0.05), [sender], seconds=15)
    assert sender.goodput(0, 15) >= 0.6 * 1_000 * 0.95


def test_a_refusal_before_any_other_answer_does_not_hide_a_limit():
    sender = paced()
    play(Both(FirstAndSome(0.0), TokenBucket(300, burst=6)), [sender], seconds=20)
    assert sender.goodput(0, 20) >= 0.85 * 300  # 0.68 before
    assert sender.refused_share(1, 20) <= 0.02


@pytest.mark.parametrize("rate", [100.0, 200.0])
def test_a_configured_rate_is_kept_among_refusals_that_do_not_follow_it(rate):
    """A quarter of it was: below 200 a second, nothing was tried out at a higher rate."""
    sender = Sender(Pacer(rate_per_s=rate))
    play(AtRandom(0.05), [sender], seconds=60, seed=441)
    assert sender.goodput(0, 60) >= 0.6 * rate * 0.95


@pytest.mark.parametrize(("share", "round_trip_s"), [(0.05, 0.32), (0.3, 0.32), (0.05, 0.16), (0.05, 0.08)])
def test_refusals_that_do_not_follow_a_low_rate_do_not_end_it(share, round_trip_s):
    """As long as trials went up from 200 a second on only, a twentieth refused took nine tenths of 200 a second."""
    sender = paced()
    play(AtRandom(share), [sender], seconds=90, round_trip_s=round_trip_s, seed=3)
    assert sender.goodput(30, 90) >= 0.6 * CONNECTIONS / round_trip_s * (1 - share)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_low_limit_is_found_among_refusals_that_do_not_follow_the_rate(share):
    """A third to a half of it was used: each trial was spoilt by the growth that came after it."""
    sender = paced()
    play(Both(AtRandom(share), TokenBucket(300, burst=6)), [sender], seconds=60)
    assert sender.goodput(0, 60) >= 0.7 * 300


def test_a_service_that_refuses_nearly_all_is_left_alone():
    sender = paced()
    play(AtRandom(0.97), [sender], seconds=30)
    assert len(sender.refused) <= 300


def test_a_limit_is_found_among_refusals_that_do_not_follow_the_rate():
    sender = paced()
    play(Both(AtRandom(0.05), TokenBucket(1_000, burst=20)), [sender], seconds=40)
    assert sender.goodput(20, 40) >= 0.8 * 1_000
    assert sender.refused_share(20, 40) <= 0.1


@pytest.mark.parametrize(("limit", "burst"), [(300, 600), (1_000, 20)])
@pytest.mark.parametrize("late_s", [0, 10])
def test_two_runs_share_a_limit(limit, burst, late_s):
    """Each within a fifth of half. Of 720 pairs on other seeds 666 were, and the least had a quarter of the limit."""
    first, second = paced(), paced(begins_at=late_s)
    play(TokenBucket(limit, burst=burst), [first, second], seconds=late_s + 50)
    shares = [each.goodput(late_s + 30, late_s + 50) / limit for each in (first, second)]
    assert sum(shares) >= 0.95
    assert all(0.4 <= share <= 0.6 for share in shares)


@pytest.mark.parametrize("seed", [0, 421])
def test_processes_of_one_run_do_not_drown_their_limit(seed):
    """Of eight that share a limit, none moves the refusals by itself: only what all do at once tells them apart.

    When each tried its tolerated share again at a time of its own, half was refused with seed 421, and one of the eight
    got a hundredth of its part.
    """
    senders = [paced(begins_at=2 * number) for number in range(8)]
    play(TokenBucket(300, burst=6), senders, seconds=50, seed=seed)
    assert sum(each.goodput(30, 50) for each in senders) >= 0.9 * 300
    refused = sum(each.refused_share(30, 50) * 1 / 8 for each in senders)
    assert refused <= 0.05


def test_the_configured_rate_is_kept_below_a_higher_limit():
    sender = Sender(Pacer(rate_per_s=200.0))
    play(TokenBucket(300, burst=6), [sender], seconds=10)
    assert not sender.refused
    assert sender.goodput(0, 10) == pytest.approx(200, rel=0.01)


class Watched(Pacer):
    """Notes what it does to find the limit, each change once."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.phases = [None]

    def _follow(self, now):
        super()._follow(now)
        phase = self.statistics().phase
        if phase != self.phases[-1]:
            self.phases.append(phase)


def phases(service, *, seconds, **arguments):
    pacer = Watched(**arguments)
    play(service, [Sender(pacer)], seconds=seconds)
    return pacer.phases


def test_it_tells_what_it_does_to_find_the_limit():
    assert phases(TokenBucket(300, burst=6, changes=[(10, 600)]), seconds=20)[:4] == [
        None,
        "regaining",
        "probing",
        "regaining",
    ]
    assert "testing" in phases(AtRandom(0.3), seconds=20)
    assert phases(TokenBucket(300, burst=6), seconds=5, rate_per_s=50.0) == [None]
