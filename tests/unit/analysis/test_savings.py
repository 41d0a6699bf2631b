"""What a million rows save, by the price table."""

from __future__ import annotations

import pytest

from fanout.analysis.prices import per_million
from fanout.analysis.quantiles import Interval
from fanout.analysis.savings import savings
from fanout.domain.prices import Prices


def test_a_million_rows_save_a_put_and_a_get_each():
    found = savings(Prices(), total=Interval(100, 36.0, 30.0, 40.0))
    assert (found.puts, found.gets, found.requests) == (1_000_000, 1_000_000, 1_001_000)
    assert found.dollars == pytest.approx(5.00 + 0.40), "1,000,000 x $0.005/1,000 + 1,000,000 x $0.0004/1,000"
    assert found.inline_dollars == pytest.approx(5.00 + 0.40 + 0.50 + 1.2 * 0.40)
    assert found.latency_hours == 10.0
    free = Prices(s3_put_per_1000=0, s3_get_per_1000=0, sns_publish_per_million=0, sqs_request_per_million=0)
    assert per_million("s3").dollars(free) == 0
