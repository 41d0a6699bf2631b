"""What becomes of a row whose result is nowhere: laws that hold whatever was claimed and seen."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from fanout.domain.account_facts import BacklogPoint
from fanout.engine.reconcile.evidence import SLACK_S, Seen, Verdict, Waiting, empty_from, ended_by, judge

NOW = 100_000.0
instants = st.integers(0, 200_000).map(float)
rows = st.builds(
    Waiting,
    accepted_at=instants,
    timeout_s=st.sampled_from([1.0, 60.0, 900.0, 3_600.0]),
    deadline=st.none() | instants,
    claimed=st.sampled_from([None, "completed", "failed"]),
    provable=st.booleans(),
    told=st.booleans(),
)
seen = st.builds(
    Seen,
    empty_from=st.none() | instants,
    overtaken_at=st.none() | instants,
    alone_from=st.none() | instants,
)
NOTHING = Seen(None, None, None)


@given(rows)
def test_no_claim_does_anything_by_itself(row):
    """A forged message ends no row, has none sent again, and shortens no deadline."""
    expected = judge(dataclasses.replace(row, claimed=None), NOTHING, now=NOW)
    verdict = judge(row, NOTHING, now=NOW)
    assert (verdict is Verdict.WAIT) == (expected is Verdict.WAIT)
    assert verdict is not Verdict.FAILED


@given(rows, seen)
def test_a_failure_is_believed_only_of_a_row_that_has_ended_and_whose_failure_leaves_no_object(row, seen):
    ends_at = ended_by(row.accepted_at, row.timeout_s, seen)
    believed = judge(row, seen, now=NOW) is Verdict.FAILED
    ended = ends_at is not None and ends_at <= NOW
    assert believed == (row.claimed == "failed" and not row.provable and ended)


@given(rows, seen)
def test_nothing_that_was_seen_before_a_row_was_accepted_says_that_it_has_ended(row, seen):
    assume(seen.empty_from is None or seen.empty_from < row.accepted_at)
    ends_at = ended_by(row.accepted_at, row.timeout_s, seen)
    begun = [] if seen.alone_from is None else [max(seen.alone_from, row.accepted_at)]
    begun += [] if seen.overtaken_at is None else [seen.overtaken_at]
    assert ends_at == (min(begun) + row.timeout_s + SLACK_S if begun else None)


@given(rows, seen)
def test_without_a_claim_only_an_empty_backlog_settles_a_row_before_its_deadline(row, seen):
    row = dataclasses.replace(row, claimed=None, deadline=NOW + 1.0)
    empty = seen.empty_from is not None and seen.empty_from >= row.accepted_at
    verdict = judge(row, seen, now=NOW)
    assert verdict is (Verdict.NO_RESULT if empty and not row.told else Verdict.WAIT)


@given(rows, seen, st.floats(0.0, 1e6))
def test_what_is_settled_stays_settled(row, seen, later_s):
    before, after = judge(row, seen, now=NOW), judge(row, seen, now=NOW + later_s)
    assert before is Verdict.WAIT or after is not Verdict.WAIT


@given(rows, seen)
def test_no_row_waits_beyond_its_deadline(row, seen):
    for deadline in (None, NOW, NOW - 1.0):
        assert judge(dataclasses.replace(row, deadline=deadline), seen, now=NOW) is not Verdict.WAIT


@given(st.lists(st.tuples(st.sampled_from([60.0, 120.0]), st.sampled_from([0.0, 0.0, 1.0])), max_size=12))
def test_an_empty_backlog_is_two_empty_periods_in_a_row(drawn):
    points, at = [], 0.0
    for step, most in drawn:  # 120: a period was not told
        at += step
        points.append(BacklogPoint(at, 60.0, most))
    pairs = [
        one.began_at
        for one, two in pairwise(points)
        if two.began_at == one.began_at + 60.0 and one.most == two.most == 0.0
    ]
    assert empty_from(points) == (pairs[-1] if pairs else None)
