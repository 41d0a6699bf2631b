"""What a report's values read as."""

from __future__ import annotations

import pytest

from fanout.report.wording import dollars


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "$0.00"),
        (1e-9, "under $0.0001"),
        (0.0001, "$0.0001"),
        (0.0477, "$0.0477"),
        (1_234.5, "$1,234.50"),
    ],
)
def test_money_that_is_little_is_not_said_to_be_none(value, said):
    assert dollars(value) == said
