"""Sizes, durations, shares and counts, as people write them."""

from __future__ import annotations

import pytest

from fanout.analysis.units import parse_count, parse_duration, parse_share, parse_size, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8KB", 8_000),
        ("127,999", 127_999),
        ("1.5 KiB", 1_536),
        ("2MB", 2_000_000),
        ("5 B", 5),
        ("128kb", 128_000),
        ("64 Kb", 64_000),
        ("1,000,000", 1_000_000),
        ("1_000", 1_000),
        ("1.0001KB", None),
        ("1,5KB", None),  # a comma stands between thousands: this is not 15 KB
        ("12,79", None),
        ("big", None),
        ("", None),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("80ms", 80.0),
        ("1.5 s", 1_500.0),
        ("200us", 0.2),
        ("2min", 120_000.0),
        ("80", None),
        ("ms", None),
        ("80 MS", 80.0),
        ("200 \u00b5s", 0.2),
        ("1,000ms", 1_000.0),
        (".5s", 500.0),
        ("1,5s", None),
        ("5 sec", 5_000.0),
    ],
)
def test_durations(text, ms):
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "share", "count"),
    [
        ("5%", 0.05, None),
        ("0.5 %", 0.005, None),
        ("1,000", None, 1_000.0),
        ("1.1", None, 1.1),
        ("fast", None, None),
    ],
)
def test_shares_and_counts(text, share, count):
    assert (parse_share(text), parse_count(text)) == (share, count)


def test_sizes_as_text():
    texts = [size_text(size) for size in (0, 1_000, 127_999, 128_000, 64_000, 2_000_000, 1_000_000_000)]
    assert texts == ["0 B", "1 KB", "127,999 B", "128,000 B", "64 KB", "2 MB", "1 GB"]
