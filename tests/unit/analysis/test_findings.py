"""From an experiment's file to its findings: none where the client was measured, or too few pairs succeeded."""

from __future__ import annotations

from datetime import timedelta

from fanout.analysis.client_check import TOO_FEW
from fanout.analysis.findings import tell, verdict_of
from fanout.analysis.pairs import PAIR

from .conftest import EPOCH, request, write_experiment


def pairs(count, **changes):
    return [
        request(pair, way, total_ms=40.0 if way == "inline" else 70.0 + pair, **changes)
        for pair in range(count)
        for way in ("inline", "s3")
    ]


def verdict(path, **facts):
    return verdict_of(path, **({"throttles": 0, "closed": False, "late_ms": 10.0} | facts))


def test_a_service_that_was_measured_is_compared(tmp_path):
    path = write_experiment(tmp_path, pairs(TOO_FEW))
    found = verdict(path)
    assert (found.limit, found.late_share, found.late_p50_ms) == (None, 0.0, 1.0)
    assert found.offered_per_s == 19 / 9, "20 requests were due within 9 s"
    told = tell(path, found)
    assert (told.pairs, told.incomplete) == (TOO_FEW, 0)
    assert told.comparison.everything.phases["total"].difference.median == 34.5
    assert told.comparison.crossing.kind == "inline"


def test_of_fewer_pairs_nothing_is_said_and_the_verdict_says_why(tmp_path):
    path = write_experiment(tmp_path, [*pairs(TOO_FEW - 1), request(99, "inline", status="failed")])
    found = verdict(path)
    told = tell(path, found)
    assert (told.comparison, told.pairs, told.incomplete) == (None, TOO_FEW - 1, 1)
    assert found.limit == "failures", "one in ten of the requests inline"
    assert found.reasons[0].startswith("10% of the requests inline failed (1 of 10): ")
    assert found.reasons[1].startswith("only 9 pairs succeeded both ways: no figure is made of fewer than 10")
    few = verdict(write_experiment(tmp_path, pairs(TOO_FEW - 1)))
    assert (few.limit, len(few.reasons)) == ("pairs", 1)


def test_where_requests_failed_the_others_are_no_sample(tmp_path):
    failing = [
        request(pair, way, status="failed" if pair % 2 and way == "s3" else "succeeded")
        for pair in range(60)
        for way in ("inline", "s3")
    ]
    path = write_experiment(tmp_path, failing)
    found = verdict(path)
    assert found.limit == "failures"
    assert found.reasons[0].startswith("50% of the requests via S3 failed (30 of 60): ")
    assert tell(path, found).comparison is None
    fewer = [row | {"status": "succeeded"} if row[PAIR] > 11 else row for row in failing]
    path = write_experiment(tmp_path, fewer)
    assert tell(path, verdict(path)).pairs == 54, "six of sixty are a tenth"
    assert verdict(path).limit == "failures"
    path = write_experiment(
        tmp_path, [row | {"status": "succeeded"} if row[PAIR] > 9 else row for row in failing]
    )
    assert verdict(path).limit is None


def test_of_a_client_that_was_too_slow_nothing_is_said(tmp_path):
    path = write_experiment(tmp_path, pairs(50, wait_ms=11.0))
    assert verdict(path, closed=True).limit is None
    found = verdict(path)
    assert (found.limit, found.late_share) == ("client", 1.0)
    assert verdict(path, throttles=1).limit == "throttling"
    told = tell(path, found)
    assert (told.comparison, told.pairs) == (None, 50)


def test_warm_up_is_not_judged(tmp_path):
    slow = {"wait_ms": 5_000.0, "sent_at": EPOCH + timedelta(seconds=5)}
    warm = [request(pair, "inline", bench_warmup=True, **slow) for pair in range(1_000, 1_200)]
    path = write_experiment(tmp_path, [*warm, *pairs(TOO_FEW)])
    assert (verdict(path).limit, verdict(path).late_max_ms) == (None, 1.0)
