"""What is printed where no program reads it, or where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import environment

from fanout.commands.paths import check_paths
from fanout.errors import UsageError

MANY = "from fanout.cli.console import print_json; [print_json({'n': n}) for n in range(20_000)]; raise SystemExit(3)"


def ended(code: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        **streams,
    )  # type: ignore[call-overload]


def test_a_reader_that_has_gone_changes_no_exit_code():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = ended(MANY, stdout=writer)
    finally:
        os.close(writer)
    assert (found.returncode, found.stderr) == (3, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_full_disk_is_said_in_one_line():
    with Path("/dev/full").open("wb") as full:
        found = ended(
            "import sys\nfrom fanout.cli.console import print_json, report_error\nfrom fanout.errors import RunError\n"
            "try: print_json({})\nexcept RunError as error: report_error(error); sys.exit(int(error.exit))",
            stdout=full,
        )
    assert found.returncode == 6
    assert found.stderr.decode() == "fanout: cannot write to standard output: No space left on device\n"


def test_help_into_a_pipe_that_is_closed_is_no_bug():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = ended("from fanout.cli import main; main(['run', '--help'])", stdout=writer)
    finally:
        os.close(writer)
    assert (found.returncode, found.stderr) == (0, b"")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_descriptor_that_was_closed_is_the_null_device(closed):
    """Else the first socket took its place, and the event loop aborted when it closed it: 134 after a finished run."""
    code = (
        "import os, sys\nfrom fanout.cli.console import open_descriptors\nopen_descriptors()\n"
        f"os.write(3, os.readlink('/proc/self/fd/{closed}').encode())\nprint('out'); print('err', file=sys.stderr)"
    )
    reader, writer = os.pipe()
    shell = f'exec 3>&{writer}; exec "$0" -c "$1" {closed}>&-'
    try:
        subprocess.run(
            ["bash", "-c", shell, sys.executable, code], env=environment(), pass_fds=[writer], check=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writer)
        assert os.read(reader, 100) == b"/dev/null"
    finally:
        os.close(reader)


def test_an_empty_input_is_not_this_directory(tmp_path):
    with pytest.raises(UsageError, match="an input is empty text"):
        check_paths([""], str(tmp_path / "out.parquet"))
