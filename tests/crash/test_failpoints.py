"""The fail points themselves: each named once, each passed once in the source, none passed for nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fanout
from fanout import failpoints
from fanout.failpoints import POINTS, VARIABLE, armed

HOUSE = Path(fanout.__file__).parent


def test_every_point_stands_in_the_source_once_and_no_other_does():
    passed = Counter(
        name
        for path in HOUSE.rglob("*.py")
        if path.name != "failpoints.py"
        for name in re.findall(r"failpoint\(\s*\"([a-z.]+)\"", path.read_text())
    )
    assert passed == Counter(POINTS)


def test_unarmed_a_pass_is_a_function_that_does_nothing():
    assert failpoints.failpoint is failpoints._nothing


@pytest.mark.parametrize(("setting", "passes"), [("part.named", 1), ("part.named:1", 1), ("part.named:3", 3)])
def test_the_named_pass_is_the_last_thing_that_happens(setting, passes):
    code = """
from fanout.failpoints import failpoint
for turn in range(1, 9):
    failpoint("part.drafted")
    print(turn, flush=True)
    failpoint("part.named")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={VARIABLE: setting}, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.split() == [str(turn) for turn in range(1, passes + 1)]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("part.nmaed", "part.named"),
        (":1", "known are"),
        ("part.named:0", "starts at 1"),
        ("part.named:-1", "starts at 1"),
    ],
)
def test_a_point_that_is_not_one_is_refused(setting, problem):
    with pytest.raises(ValueError, match=problem):
        armed(setting)
