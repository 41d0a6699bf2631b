"""When an experiment has seen enough: every size known to the width, and not by luck of a few pairs."""

from __future__ import annotations

from fanout.bench.early_stop import LEAST, LOOK_EVERY, PairTally
from fanout.domain.records import Outcome


def ended(pair, transport, *, ms=100.0, size=100, warm=False, status="succeeded"):
    return Outcome(
        row=pair, id=None, passthrough=(pair, warm), status=status, transport=transport, payload_bytes=size,
        due_at=10.0, sent_at=10.0, fetched_at=10.0 + ms / 1e3,
    )  # fmt: skip


def fed(pairs, *, until_ms=1.0, **changes):
    """Return after how many pairs `enough` was called, None if it was not."""
    calls = []
    tally = PairTally(until_ms=until_ms, enough=lambda: calls.append(True))
    found = None
    for pair in range(pairs):
        for transport in ("inline", "s3"):
            facts = {name: change(pair, transport) for name, change in changes.items()}
            tally.add(ended(pair, transport, **facts))
        if calls and found is None:
            found = pair + 1
    assert len(calls) <= 1, "it is called once"
    assert tally.rows == 2 * pairs, "all are counted, also after that"
    assert tally.done is bool(calls)
    return found


def test_it_ends_at_the_first_look_with_pairs_enough():
    assert LOOK_EVERY < LEAST <= 2 * LOOK_EVERY
    assert fed(200) == 2 * LOOK_EVERY


def test_without_a_width_it_never_ends():
    assert fed(200, until_ms=None) is None


def test_a_wide_interval_goes_on():
    assert fed(200, ms=lambda pair, transport: 100.0 + 10.0 * (pair % 7) * (transport == "s3")) is None


def test_what_drifts_for_both_is_no_difference():
    assert fed(200, ms=lambda pair, _: 100.0 + pair) == 2 * LOOK_EVERY


def test_every_size_must_be_known():
    """A third of the pairs have the other size: 25 at the look after 75, 34 at the one after 100."""
    assert fed(200, size=lambda pair, _: 100 if pair % 3 else 2_000) == 100


def test_warm_up_does_not_count():
    """Every other pair does: the second look comes after 50 of them."""
    assert fed(300, warm=lambda pair, _: pair % 2 == 0) == 4 * LOOK_EVERY


def test_a_pair_with_a_failure_does_not_count():
    def status(pair, transport):
        return "failed" if pair % 2 and transport == "s3" else "succeeded"

    assert fed(300, status=status) == 4 * LOOK_EVERY - 1
