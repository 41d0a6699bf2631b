"""Tables on a terminal of any width: nothing is cut, and no heading is broken."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from fanout.report.table import Table
from fanout.report.terminal import draw

NUMBERS = Table(
    "latency",
    ("phase", "transport", "95 % interval", "p50 then", "p50 now", "p99.9 now"),
    tuple(
        (phase, "S3, there before", "-1.0 to +2.0", "10.0", "1,234.5", "99,999.9")
        for phase in ("wait", "total")
    ),
    frozenset({0, 1}),
)
SENTENCE = Table(
    "",
    ("", ""),
    (("What failed?", "Nothing at all: each of the rows has succeeded."),),
    frozenset({0, 1}),
    frozenset({1}),
)


def drawn(table, width):
    buffer = io.StringIO()
    draw(Console(file=buffer, width=width), table)
    return buffer.getvalue()


def test_a_table_with_room_is_one_table():
    lines = drawn(NUMBERS, 100).splitlines()
    assert re.split(r"  +", lines[2].strip()) == list(NUMBERS.head)
    assert re.split(r"  +", lines[4].strip()) == list(NUMBERS.rows[0])


@pytest.mark.parametrize("width", [70, 60, 45])
def test_what_is_too_wide_becomes_several_tables_that_name_their_rows(width):
    said = drawn(NUMBERS, width)
    assert all(len(line) <= width for line in said.splitlines())
    headings = [line for line in said.splitlines() if "phase" in line]
    assert len(headings) > 1
    for head in NUMBERS.head[2:]:
        assert sum(head in line for line in headings) == 1, f"{head} stands whole, once"
    assert len(re.findall(r"total +S3, there before", said)) == len(headings)
    for cell in NUMBERS.rows[0][2:]:
        assert said.count(cell) == len(NUMBERS.rows), f"{cell} stands whole"


def test_where_not_even_one_column_has_room_each_cell_has_a_line():
    assert drawn(NUMBERS, 20).splitlines()[:5] == [
        "latency",
        "wait",
        "  transport: S3, there before",
        "  95 % interval: -1.0 to +2.0",
        "  p50 then: 10.0",
    ]


def test_a_sentence_breaks_between_words_and_is_never_a_column_of_letters():
    at_60 = drawn(SENTENCE, 60)
    assert re.findall(r"\w+", at_60) == re.findall(r"\w+", " ".join(SENTENCE.rows[0]))
    assert len(at_60.split("\n")) == 5
    assert drawn(SENTENCE, 30) == "What failed?\n  Nothing at all: each of the rows has succeeded.\n"
