"""The command line as a module of Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fanout


@pytest.mark.parametrize("module", ["fanout", "fanout.cli"])
def test_python_runs_it_as_a_module(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert (done.stdout.splitlines()[0], done.stderr) == (f"fanout {fanout.__version__}", "")


def test_what_it_leaves_with_as_a_module_is_its_exit_code():
    words = [sys.executable, "-m", "fanout", "run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no output: name a file with -o out.parquet" in done.stderr
