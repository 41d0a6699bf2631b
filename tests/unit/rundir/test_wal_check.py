"""The write-ahead log: what SQLite drops without a word is told from what a power cut leaves."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest

from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import JournalError
from fanout.rundir.commit_mark import CommitMark
from fanout.rundir.journal import NAME, Journal, count_states
from fanout.rundir.wal_check import committed, first_commit, lost_commits

COMMITS = 40
PAGE = 4096
FRAME = 24 + PAGE


@pytest.fixture
def killed(tmp_path):
    """The files of a journal whose process was killed: every commit is in the log."""
    journal = Journal(tmp_path / "live.sqlite")
    for turn in range(COMMITS):
        journal.write([RowRecord(64 * turn + n, RowState.INTENT, 0, 1, 0) for n in range(64)])
    for suffix in ("", "-wal", "-written"):
        shutil.copy(tmp_path / f"live.sqlite{suffix}", tmp_path / f"{NAME}{suffix}")
    journal.close()
    return tmp_path / NAME


def log_of(path):
    return path.with_name(f"{path.name}-wal")


def flip(path, place, bit=2):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def valid_rows(path):
    """Rows that SQLite itself finds."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM rows").fetchone()[0]


def test_a_sound_log_has_lost_nothing(killed):
    assert lost_commits(log_of(killed).read_bytes(), page_bytes=PAGE) == 0
    journal = Journal(killed)
    journal.check()
    assert sum(1 for _ in journal.states()) == 64 * COMMITS
    journal.close()


@pytest.mark.parametrize("place", [0, 3, 9, 17, 25, 31])
def test_a_damaged_header_loses_all_commits(killed, place):
    flip(log_of(killed), place)
    assert lost_commits(log_of(killed).read_bytes(), page_bytes=PAGE) >= COMMITS - 1


@pytest.mark.parametrize("place", [0, 4, 8, 12, 16, 20, 24, 500, FRAME - 1])
@pytest.mark.parametrize("frame", [0, 7, 30])
def test_a_damaged_frame_loses_the_commits_behind_it(killed, frame, place):
    flip(log_of(killed), 32 + frame * FRAME + place)
    assert lost_commits(log_of(killed).read_bytes(), page_bytes=PAGE) > 0
    with pytest.raises(JournalError, match=r"damaged \(it has lost commits\).*--rebuild"):
        Journal(killed)
    with pytest.raises(JournalError, match=r"damaged.*--rebuild"):
        Journal(killed)  # SQLite has removed the log by now


def test_a_torn_last_commit_is_no_damage(killed):
    content = log_of(killed).read_bytes()
    for cut in (1, 24, FRAME - 1, FRAME + 5):
        assert lost_commits(content[:-cut], page_bytes=PAGE) == 0
    torn = bytearray(content)
    torn[-1] ^= 1
    assert lost_commits(bytes(torn), page_bytes=PAGE) == 0
    log_of(killed).write_bytes(torn)
    # A power cut tears what was not synced yet, and the mark follows the sync: one commit was the tables'.
    CommitMark(killed).write(COMMITS)
    journal = Journal(killed)
    assert sum(1 for _ in journal.states()) == 64 * (COMMITS - 1)
    journal.close()


def test_a_last_commit_that_was_done_is_missed_by_its_mark(killed):
    flip(log_of(killed), log_of(killed).stat().st_size - 1)
    with pytest.raises(JournalError, match=r"damaged \(it has lost commits\).*--rebuild"):
        Journal(killed)


def test_the_first_commit_of_a_log_has_its_number(tmp_path):
    """The tables are the first; behind a checkpoint the log goes on from where the file ends."""
    path = tmp_path / NAME
    with closing(Journal(path)) as journal:
        assert first_commit(log_of(path).read_bytes()) == 1
        for turn in range(5):
            journal.write([RowRecord(turn, RowState.INTENT, 0, 1, 0)])
        journal._db.execute("PRAGMA wal_checkpoint(RESTART)")
        journal.write([RowRecord(7, RowState.INTENT, 0, 1, 0)])
        content = log_of(path).read_bytes()
        assert first_commit(content) == 7
    assert first_commit(content[: 32 + FRAME]) is None, "half of a commit is none"
    assert first_commit(b"") is None


def test_sqlite_itself_says_nothing(killed):
    """The upstream fact that `wal` exists for: no error, half of the rows."""
    flip(log_of(killed), 32 + 30 * FRAME + 500)
    assert 0 < valid_rows(killed) < 64 * COMMITS


def test_frames_of_an_earlier_turn_are_no_damage(tmp_path):
    """After a checkpoint the log is written from its start again: what stands behind has other salts."""
    path = tmp_path / NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (a)")
        for turn in range(20):
            database.execute("INSERT INTO t VALUES (?)", ("x" * 2000 + str(turn),))
        database.execute("PRAGMA wal_checkpoint(RESTART)")
        database.execute("INSERT INTO t VALUES (1)")
        content = log_of(path).read_bytes()
    assert len(content) > 20 * FRAME
    assert lost_commits(content, page_bytes=PAGE) == 0


@pytest.mark.parametrize("content", [b"", b"\0" * 31, b"\0" * 32, b"\xff" * 40])
def test_logs_that_are_hardly_there(content):
    assert lost_commits(content, page_bytes=PAGE) == 0


@contextmanager
def full_disk():
    """The kernel's limit on the size of a file stands in for the disk: nothing can be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_rows_of_a_killed_run_are_counted_on_a_full_disk_and_its_files_stay_as_they_are(killed):
    before = killed.read_bytes(), log_of(killed).read_bytes()
    with full_disk():
        assert count_states(killed) == {RowState.INTENT: 64 * COMMITS}
    assert (killed.read_bytes(), log_of(killed).read_bytes()) == before


@pytest.mark.parametrize("commits", [0, 1, COMMITS // 2, COMMITS])
@pytest.mark.parametrize("more_bytes", [0, 100, FRAME])
def test_what_is_read_without_sqlite_is_what_it_would_read(killed, commits, more_bytes):
    """A log that ends anywhere, as a kill leaves it: between two commits, and inside of one."""
    log = log_of(killed).read_bytes()
    ends = [0]
    for start in range(32, len(log) - FRAME + 1, FRAME):
        if int.from_bytes(log[start + 4 : start + 8], "big"):  # its commit
            ends.append(start + FRAME)
    log_of(killed).write_bytes(log[: ends[commits] + more_bytes])
    image = committed(killed.read_bytes(), log_of(killed).read_bytes())
    with closing(sqlite3.connect(":memory:")) as database, closing(sqlite3.connect(killed)) as real:
        database.deserialize(image)
        assert [*database.iterdump()] == [*real.iterdump()]
    assert len(ends) > COMMITS


def test_a_run_of_another_process_is_told_before_its_log_is_read(tmp_path):
    with closing(Journal(tmp_path / NAME)) as journal, full_disk():
        assert journal.is_empty()
        command = [sys.executable, "-c", COUNT, str(tmp_path / NAME)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "None\n"


COUNT = """
import sys
from pathlib import Path
from fanout.rundir.journal import count_states
print(count_states(Path(sys.argv[1])))
"""
