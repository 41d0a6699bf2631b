"""Standard input is the rows': whatever else of this process would read it finds an end."""

from __future__ import annotations

import os
import subprocess

import pytest
from support.stdin import piped

from fanout.errors import UsageError
from fanout.source.stdin import descriptor, is_stdin, kept_stdin

ROWS = b'{"n": 1}\n{"n": 2}\n'


def test_a_child_finds_an_end_and_the_rows_are_still_there():
    with piped(ROWS), kept_stdin() as own:
        assert subprocess.run(["cat"], capture_output=True, check=True).stdout == b""
        assert os.read(0, 100) == b""
        assert descriptor() == own > 2
        assert not os.get_inheritable(own)
        assert os.read(own, 100) == ROWS


def test_afterwards_it_is_back_in_its_place():
    with piped(ROWS):
        with kept_stdin() as own:
            pass
        assert descriptor() == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(own)
        assert subprocess.run(["cat"], capture_output=True, check=True).stdout == ROWS


def test_two_at_once_would_share_the_rows():
    with piped(ROWS):
        with (
            kept_stdin(),
            pytest.raises(UsageError, match="read by another run of this process"),
            kept_stdin(),
        ):
            pass
        with kept_stdin() as own:
            assert os.read(own, 100) == ROWS


@pytest.mark.parametrize(
    "opened", [(), (os.devnull, os.O_WRONLY)], ids=["closed", "as the command line leaves it"]
)
def test_a_closed_one_is_said(opened):
    with piped(b""):
        os.close(0)
        if opened:
            assert os.open(*opened) == 0
        with pytest.raises(UsageError, match="-: standard input is closed: send it"), kept_stdin():
            pass
        with piped(ROWS), kept_stdin() as own:
            assert os.read(own, 100) == ROWS


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_its_names(name, tmp_path):
    with piped(ROWS):
        assert is_stdin(name)
    (tmp_path / "in.jsonl").write_bytes(ROWS)
    with (tmp_path / "in.jsonl").open() as file, piped(b"", instead=file.fileno()):
        assert is_stdin(name) is (name == "-")
    assert not is_stdin(str(tmp_path / "in.jsonl"))
