"""What a report's values read as."""

from __future__ import annotations

import pytest

from fanout.analysis.quantiles import Interval
from fanout.report.wording import difference, dollars, hours_text, setting_text


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


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("eu-west-1", "eu-west-1"),
        (None, "none"),
        (True, "true"),
        (10.0, "10"),
        (0.005, "0.005"),
        (128_000, "128,000"),
        (["overload", ".*"], "overload, .*"),
        ({"failure_share": 0.05, "throttle": {"burst": 2}}, "failure_share = 0.05, throttle.burst = 2"),
    ],
)
def test_settings_read_as_people_write_them(value, said):
    assert setting_text(value) == said


def test_a_change_of_hundredths_beyond_chance_does_not_read_as_none():
    assert difference(Interval(9, 0.04, 0.01, 0.06)) == ("+0.040", "+0.010 to +0.060")
    assert difference(Interval(9, 0.01, -0.02, 0.06)) == ("+0.0", "-0.0 to +0.1")


def test_few_instance_hours_do_not_read_as_none():
    assert [hours_text(value) for value in (0.0, 0.004, 1.5)] == [
        "0.00 instance hours",
        "under 0.01 instance hours",
        "1.50 instance hours",
    ]
