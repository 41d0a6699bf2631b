"""The name that was probably meant is said; where none is near, the known ones are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.text import NAMES_SHOWN, count, did_you_mean, escape, iso, nearest, quoted


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("raet", ("window", "rate"), "did you mean 'rate'?"),
        ("quesion", ("questions", "question"), "did you mean 'question'?"),
        ("zzz", ("rate", "window"), "known are 'rate', 'window'"),
        ("zzz", ("two words", "line\nend"), r"known are 'two words', 'line\nend'"),
        ("zzz", (), "there is none"),
    ],
)
def test_a_name_that_is_not_known_gets_the_one_that_was_meant(name, known, said):
    assert did_you_mean(name, known) == said


def test_a_table_of_hundreds_of_columns_is_not_listed_whole():
    known = tuple(f"column{number}" for number in range(300))
    said = did_you_mean("zzz", known)
    assert said == "known are " + ", ".join(map(repr, known[:NAMES_SHOWN])) + ", ..."


def test_how_near_a_name_must_be_can_be_said():
    assert nearest("live", ("local", "output")) is None
    assert nearest("pacng", ("pacing",), cutoff=0.8) == "pacing"
    assert nearest("paces", ("pacing",), cutoff=0.8) is None


def test_instants_are_told_in_utc_to_the_millisecond():
    assert iso(1_763_629_200.1234) == "2025-11-20T09:00:00.123Z"


def test_text_cannot_command_a_terminal():
    assert escape("a\x1b[31mb\nc\u202e") == r"a\x1b[31mb\nc\u202e"
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x61C,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    ):
        assert escape(chr(code)).isascii(), hex(code)
        assert escape(chr(code)).isprintable(), hex(code)
    assert escape("naïve — 日本語 שלום 🙂") == "naïve — 日本語 שלום 🙂"


@pytest.mark.parametrize(("number", "said"), [(0, "0 rows"), (1, "1 row"), (2_000, "2,000 rows")])
def test_one_row_is_no_rows(number, said):
    assert count(number, "row") == said


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (Path("/data/runs/a-1"), "/data/runs/a-1"),
        ("s3://bucket/runs/a=1/", "s3://bucket/runs/a=1/"),
        ("My Data/out.parquet", "'My Data/out.parquet'"),
        ("it's; rm *", """'it'"'"'s; rm *'"""),
    ],
)
def test_a_path_is_one_argument_of_a_command(path, text):
    assert quoted(path) == text
