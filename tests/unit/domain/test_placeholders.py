"""Dates in paths: what is replaced, what stands for itself, and what is a mistake."""

from __future__ import annotations

from datetime import date

import pytest

from fanout.domain.placeholders import fixed_part, has_placeholder, on_date

DAY = date(2026, 1, 5)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("s3://b/in/{date:%Y/%m/%d}/", "s3://b/in/2026/01/05/"),
        ("out-{date}.parquet", "out-2026-01-05.parquet"),
        ("{date:%G-W%V-%u}/{date:%y%j}", "2026-W02-1/26005"),
        ("100{date:%%%d}", "100%05"),
        ("plain/a.jsonl", "plain/a.jsonl"),
        ("s3://b/{1}/{}/a}{b/{ date }/%Y", "s3://b/{1}/{}/a}{b/{ date }/%Y"),
        ("in/[{]user}.jsonl", "in/[{]user}.jsonl"),
    ],
)
def test_a_date_stands_where_it_is_named_and_every_other_brace_for_itself(path, found):
    assert on_date(path, DAY) == found
    assert on_date(found, date(1999, 9, 9)) == found, "what was replaced once is replaced no more"
    assert has_placeholder(path) == (found != path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("in/{day:%Y}/", r"\{day:%Y\} is not a placeholder: write \{date:%Y-%m-%d\}; .* \[\{\]day:%Y\}$"),
        ("in/{Date}/", r"\{Date\} is not a placeholder"),
        ("in/{user}.jsonl", r"meant by a glob, \[\{\]user\}$"),
        ("in/{date:%H}/", "%H is no part of a date"),
        ("in/{date:%Y%}/", "% is no part of a date"),
        ("in/{date:}/", "there is no format after the colon: use %Y"),
    ],
)
def test_what_looks_like_a_placeholder_and_is_none_is_refused(path, said):
    with pytest.raises(ValueError, match=said):
        on_date(path, DAY)


def test_the_part_before_it_is_fixed():
    assert fixed_part("s3://b/in/{date:%Y}/x{date}") == "s3://b/in/"
    assert fixed_part("s3://b/{1}/x") == "s3://b/{1}/x"
