"""The manual page is that of the commands as they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fanout.cli.exit_codes import MEANINGS
from fanout.cli.manual import _escaped, manual

PAGE = Path(__file__).parents[3] / "docs" / "fanout.1"


def test_the_page_that_is_shipped_is_up_to_date():
    assert PAGE.read_text() == manual(), "python -m fanout.cli.manual > docs/fanout.1"


def test_it_has_a_section_for_each_verb():
    titles = [line for line in manual().splitlines() if line.startswith('.SH "FANOUT ')]
    assert titles == [f'.SH "FANOUT {verb.upper()}"' for verb in MEANINGS]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("--rate", "\\-\\-rate"),
        (".fanout", "\\&.fanout"),
        ("'x'", "\\&'x'"),
        ("a\\b", "a\\eb"),
        ('"', "\\(dq"),
    ],
)
def test_no_text_is_taken_for_a_macro(text, escaped):
    assert _escaped(text) == escaped


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say_about_it():
    done = subprocess.run(["groff", "-man", "-ww", "-z", PAGE], capture_output=True, text=True, check=True)
    assert done.stderr == ""
