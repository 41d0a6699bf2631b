"""The journal's statements for many rows; what a cut, a copy and a second opening do to it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fanout.domain.row_state import RowRecord, RowState
from fanout.errors import JournalError
from fanout.rundir.journal import Journal, JournalInUse, count_states

COUNTS = [0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1_100]


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite")) as opened:
        yield opened


def line(row, state=RowState.ACCEPTED):
    instants = (row + 0.5, row + 0.25, row + 0.125, None, None)
    return RowRecord(
        row, int(state), row % 3, row % 5, row % 7, *instants, f"in-{row}", None, f"failed-{row}"
    )


@pytest.mark.parametrize("count", COUNTS)
def test_a_group_of_any_size_is_written_whole(journal, count):
    lines = [line(row) for row in range(count)]
    journal.write(lines)
    assert [*journal.open_rows()] == lines


@pytest.mark.parametrize("count", COUNTS)
def test_a_part_of_any_size_makes_all_its_rows_durable_and_no_other(journal, count):
    lines = [line(row) for row in range(count)]
    journal.write([*lines, line(5_000)])
    journal.commit_part(0, [*range(count + 1)])  # the last was never journalled: it was rejected
    assert [*journal.states()] == [*((row, RowState.DURABLE) for row in range(count + 1)), (5_000, 2)]
    assert [*journal.open_rows()] == [line(5_000)]


def test_of_a_row_that_is_twice_in_a_group_the_later_line_holds(journal):
    lines = [line(row, RowState.INTENT) for row in range(32)] + [line(row) for row in range(31, -1, -1)]
    journal.write(lines)
    assert [*journal.open_rows()] == [line(row) for row in range(32)]


def test_lines_that_come_late_leave_durable_rows_as_they_are(journal):
    journal.commit_part(0, [*range(0, 100, 2)])
    journal.write([line(row) for row in range(100)])
    assert [*journal.open_rows()] == [line(row) for row in range(1, 100, 2)]
    assert dict(journal.states())[42] == RowState.DURABLE


def test_a_journal_of_version_1_is_taken_on(tmp_path):
    """It did not tell requests that were sent from those that may have been; an intent's last one may have been."""
    path = tmp_path / "journal.sqlite"
    lines = [RowRecord(0, 1, 0, 2, 1), RowRecord(1, 2, 0, 1, 0, accepted_at=5.0), RowRecord(2, 4, 1, 1, 0)]
    with closing(Journal(path)) as journal:
        journal.write(lines)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("ALTER TABLE rows DROP COLUMN possible; PRAGMA user_version = 1;")
    assert count_states(path) == {RowState.INTENT: 1, RowState.ACCEPTED: 1, RowState.READY: 1}
    for _ in range(2):
        with closing(Journal(path, must_exist=True)) as journal:
            assert [*journal.open_rows()] == [lines[0]._replace(possible=1), *lines[1:]]


def test_a_count_leaves_nothing_beside_a_journal_that_was_closed(tmp_path):
    path = tmp_path / "journal.sqlite"
    with closing(Journal(path)) as journal:
        journal.write([line(row) for row in range(3)])
        assert count_states(path) is None
    before = sorted(tmp_path.iterdir())
    assert sum(count_states(path).values()) == 3
    assert sorted(tmp_path.iterdir()) == before


# ---- what can be cut off

GROUPS = 12
LOST = "--rebuild"
FILES = ("", "-wal", "-written")


@pytest.fixture
def left(tmp_path):
    """Copies of a journal at three instants, as a kill would leave it: `early`, `late` (in another log), `closed`."""
    journal = Journal(tmp_path / "live")

    def copy(name):
        directory = tmp_path / name
        directory.mkdir()
        for suffix in FILES:
            with suppress(FileNotFoundError):
                shutil.copy(tmp_path / f"live{suffix}", directory / f"journal.sqlite{suffix}")
        return directory / "journal.sqlite"

    for group in range(GROUPS):
        journal.write([line(64 * group + n, RowState.INTENT) for n in range(64)])
    found = {"early": copy("early")}
    journal._db.execute("PRAGMA wal_checkpoint(RESTART)")  # what SQLite does after a thousand pages
    for group in range(GROUPS, 2 * GROUPS):
        journal.write([line(64 * group + n, RowState.INTENT) for n in range(64)])
    found["late"] = copy("late")
    journal.close()
    found["closed"] = copy("closed")
    return found


def beside(path, suffix):
    return path.with_name(f"{path.name}{suffix}")


def rows(path):
    with closing(Journal(path, must_exist=True)) as journal:
        journal.check()
        return sum(1 for _ in journal.states())


def rows_or_refused(path):
    """Return how many rows a resume would find, None if it is told to rebuild."""
    try:
        return rows(path)
    except JournalError as error:
        if LOST not in str(error):
            raise
        return None


@pytest.mark.parametrize(
    ("name", "groups"), [("early", GROUPS), ("late", 2 * GROUPS), ("closed", 2 * GROUPS)]
)
def test_what_a_kill_leaves_is_whole(left, name, groups):
    assert rows(left[name]) == 64 * groups


@pytest.mark.parametrize("name", ["early", "late"])
def test_a_log_that_was_cut_anywhere_is_noticed(left, tmp_path, name):
    content = beside(left[name], "-wal").read_bytes()
    # The journal had so much to say of it: behind the last commit stands what an earlier turn of the log left.
    frames = (len(content) - 32) // (24 + 4096)
    cuts = [32 + (24 + 4096) * frame for frame in range(frames)] + [0, 1, 31]
    cuts += random.Random(7).sample(range(len(content)), 15)
    whole = 0
    for cut in cuts:
        run = tmp_path / f"{cut}"
        run.mkdir()
        for suffix in FILES:
            shutil.copy(beside(left[name], suffix), run / f"journal.sqlite{suffix}")
        (run / "journal.sqlite-wal").write_bytes(content[:cut])
        for _ in range(2):  # SQLite has removed the log by the second time
            found = rows_or_refused(run / "journal.sqlite")
            assert found in {None, 64 * GROUPS * (2 if name == "late" else 1)}, cut
            whole += found is not None
    assert whole < len(cuts) / 2, "most cuts lose something"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("late", {"-wal": None}),
        ("late", {"-wal": "early"}),
        ("late", {"": "early"}),
        ("late", {"": "closed"}),
        ("late", {"-written": None}),
        ("closed", {"": "early"}),
        ("closed", {"": "late"}),
        ("closed", {"-wal": "early"}),
        ("closed", {"-wal": "late", "": "early"}),
        ("closed", {"-written": None}),
    ],
)
def test_files_of_two_times_are_told_apart(left, name, files):
    """A file that is missing, or that a copy or a backup took at another time than the others."""
    run = left[name]
    for suffix, source in files.items():
        if source is None:
            beside(run, suffix).unlink()
        else:
            shutil.copy(beside(left[source], suffix), beside(run, suffix))
    for _ in range(2):
        # Of a file that is newer than its log, SQLite writes the same pages once more.
        assert rows_or_refused(run) == (64 * 2 * GROUPS if files == {"": "closed"} else None)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_noticed(left, share):
    content = left["closed"].read_bytes()
    left["closed"].write_bytes(content[: int(share * len(content))])
    with pytest.raises(JournalError, match=LOST):
        rows(left["closed"])


def test_a_new_journal_takes_no_notice_of_what_another_left_beside_it(tmp_path):
    path = tmp_path / "journal.sqlite"
    with closing(Journal(path)) as journal:
        journal.write([line(1)])
    path.unlink()
    with closing(Journal(path)) as journal:
        assert journal.is_empty()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="tells by Linux's own list of locks")
def test_a_second_opening_of_this_process_leaves_the_lock(tmp_path):
    """POSIX: a process that closes any descriptor of a file lets go of all of its locks on it."""
    path = tmp_path / "journal.sqlite"

    def locks():
        inode = path.stat().st_ino
        return [each for each in Path("/proc/locks").read_text().splitlines() if f":{inode} " in each]

    with closing(Journal(path)):
        held = locks()
        assert held
        with pytest.raises(JournalInUse):
            Journal(path)
        assert len(locks()) == len(held)
