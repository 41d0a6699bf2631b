"""The running counts."""

from __future__ import annotations

import pytest

from fanout.domain.records import Outcome
from fanout.domain.tally import EXAMPLES_MAX, Tally


def outcome(status="succeeded", **facts):
    return Outcome(row=0, id=None, passthrough=(), status=status, **facts)


def tallied(*outcomes):
    tally = Tally()
    for each in outcomes:
        tally.add(each)
    return tally


def test_it_begins_with_nothing():
    assert Tally() == tallied()
    assert (Tally().rows, Tally().unsuccessful, Tally().by_status["succeeded"]) == (0, 0, 0)


def test_counts_and_sums():
    tally = tallied(
        outcome(transport="inline", payload_bytes=10, response=b"12345"),
        outcome(transport="s3", payload_bytes=200_000, response=b"", resends=2),
        outcome(transport="existing", response=None),
        outcome(
            "failed",
            transport="inline",
            payload_bytes=7,
            error_code="ModelFailed",
            error_message="why",
            resends=1,
        ),
        outcome("rejected", payload_bytes=3, error_code="InvalidJSON", error_message="in.jsonl:4"),
    )
    assert (tally.rows, tally.unsuccessful) == (5, 2)
    assert (tally.payload_bytes, tally.response_bytes, tally.resends) == (200_020, 5, 3)
    assert tally.by_status == {"succeeded": 3, "failed": 1, "rejected": 1}
    assert tally.by_transport == {"inline": 2, "s3": 1, "existing": 1}
    assert tally.errors == {"ModelFailed": 1, "InvalidJSON": 1}
    assert tally.examples == {"ModelFailed": "why", "InvalidJSON": "in.jsonl:4"}


@pytest.mark.parametrize("status", ["failed", "expired", "rejected", "unsettled", "unknown"])
def test_every_other_end_is_no_success(status):
    tally = tallied(outcome(status, error_code="E"))
    assert (tally.unsuccessful, tally.by_status, tally.errors) == (1, {status: 1}, {"E": 1})


def test_a_success_is_no_error_whatever_it_carries():
    tally = tallied(outcome(error_code="E", error_message="m"))
    assert (tally.unsuccessful, tally.errors, tally.examples) == (0, {}, {})


def test_an_error_keeps_its_first_example():
    tally = tallied(*[outcome("failed", error_code="E", error_message=text) for text in ("first", "second")])
    assert tally.examples == {"E": "first"}


def test_an_error_without_code_or_text_is_counted():
    tally = tallied(outcome("failed"))
    assert (tally.errors, tally.examples) == ({"Unknown": 1}, {"Unknown": ""})


def test_examples_are_bounded_and_counts_are_not():
    tally = tallied(*[outcome("failed", error_code=f"E{number}") for number in range(EXAMPLES_MAX + 5)])
    assert len(tally.examples) == EXAMPLES_MAX
    assert sum(tally.errors.values()) == EXAMPLES_MAX + 5


def test_a_row_of_an_earlier_process_counts_like_an_outcome():
    facts = {"transport": "s3", "payload_bytes": 9, "resends": 1, "error_code": "E", "error_message": "why"}
    counted = Tally()
    counted.count(status="failed", **facts)
    assert counted == tallied(outcome("failed", **facts))
