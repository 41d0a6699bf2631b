"""The journal's statements for many rows write what as many statements for one would."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from fanout.domain.row_state import RowRecord, RowState
from fanout.rundir.journal import Journal, count_states

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
