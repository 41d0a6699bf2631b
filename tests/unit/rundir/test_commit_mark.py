"""The number of the last commit, kept beside the journal: what it says, and what it says nothing of."""

from __future__ import annotations

from contextlib import closing

import pytest

from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import StorageError
from fanout.rundir.commit_mark import CommitMark, commits_without_log
from fanout.rundir.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


@pytest.fixture
def mark(path):
    with closing(CommitMark(path)) as opened:
        yield opened


def test_it_says_what_was_written_last(mark):
    assert mark.read() is None, "there is no file"
    mark.create()
    assert mark.read() == 0
    for number in (1, 10**9, 7):
        mark.write(number)
        assert mark.read() == number
    assert mark.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"12", b"-0000000000000000007\n", b"x" * 21, b"0" * 20 + b"\n more"]
)
def test_what_is_no_number_says_nothing(mark, content):
    mark.path.write_bytes(content)
    assert mark.read() is None


def test_a_place_that_is_no_file_is_the_disks_fault(mark):
    mark.path.mkdir()
    with pytest.raises(StorageError, match=r"journal\.sqlite-written"):
        mark.read()
    with pytest.raises(StorageError, match=r"journal\.sqlite-written"):
        mark.write(1)


def test_every_commit_of_a_journal_moves_it(path, mark):
    with closing(Journal(path)) as journal:
        assert mark.read() == 1, "the tables"
        journal.write([RowRecord(0, RowState.INTENT, 0, 1, 0)])
        journal.commit_part(0, [0])
        assert mark.read() == 3
        assert commits_without_log(path) == 0, "all of it is in the log"
    assert commits_without_log(path) == 3


def test_a_file_that_is_no_journal_has_no_commits_to_tell(path):
    assert commits_without_log(path) is None
    path.write_bytes(b"This is no database. " * 500)
    assert commits_without_log(path) is None
