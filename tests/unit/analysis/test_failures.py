"""How many requests of an experiment failed, of each transport; warm-up does not count."""

from __future__ import annotations

from fanout.analysis.failures import Failed, Failures, read_failures
from fanout.analysis.pairs import WARMUP

from .conftest import request, write_experiment


def test_requests_that_count_are_counted_by_transport(tmp_path):
    rows = [
        request(0, "inline", **{WARMUP: True}, status="failed"),
        request(1, "inline"),
        request(1, "s3", status="expired"),
        request(2, "inline", status="failed"),
        request(2, "s3", status="failed"),
        request(3, None, status="rejected"),
    ]
    found = read_failures(write_experiment(tmp_path, rows))
    assert found == Failures(all=Failed(5, 4), inline=Failed(2, 1), s3=Failed(2, 2))
    assert found.worst == ("via S3", Failed(2, 2))
    assert str(found.all) == "4 of 5 requests (80.0%)"


def test_without_requests_no_share_failed(tmp_path):
    found = read_failures(write_experiment(tmp_path, []))
    assert (found.all, found.all.share) == (Failed(0, 0), 0.0)
