"""The pages of the reference are what the code says today, and the one on the output has its columns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from fanout.output.schema import output_schema

ROOT = Path(__file__).parents[2]


def make(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.reference", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_pages_are_current(tmp_path):
    done = make("--check")
    assert done.returncode == 0, done.stderr
    done = make("--check", "--root", tmp_path)
    assert done.returncode == 1
    assert "reference/configuration.md" in done.stderr
    assert list(tmp_path.iterdir()) == [], "--check writes nothing"


def test_the_page_on_the_output_has_its_columns_and_their_types():
    page = (ROOT / "docs" / "output.md").read_text().partition("\n## ")[0]
    told = {
        name: kind
        for names, kind in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\w+) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    schema = output_schema(pa.schema([]))
    assert list(told) == schema.names
    for field in schema:
        assert str(field.type).startswith(told[field.name]), field
