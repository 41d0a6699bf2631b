"""Keeps what must survive a kill: one SQLite file a run, written by one thread, in groups.

It holds states, attempts, generations, places and instants of rows, which a resume reads back; never a payload, a
response or a credential. It is also the lock: the process that has it open is the run. See `docs/reliability.md`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path

from fanout.domain.row_state import PartRecord, RowRecord, RowState
from fanout.errors import THEN_RESUME, JournalError, StorageError
from fanout.files import storage
from fanout.rundir.commit_mark import CommitMark, commits_without_log
from fanout.rundir.wal_check import committed, first_commit, lost_commits

SCHEMA_VERSION = 2
DAMAGED_VERSION = 0x7DA_A6ED
"""Put in place of the schema's version once commits were found lost: closing the file removes all trace of them."""
NAME = "journal.sqlite"

_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE rows (
    row INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sends INTEGER NOT NULL,
    resends INTEGER NOT NULL,
    due_at REAL, sent_at REAL, accepted_at REAL, upload_started_at REAL, uploaded_at REAL,
    input TEXT, output TEXT, failure TEXT,
    possible INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE parts (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL) STRICT;
PRAGMA user_version = {SCHEMA_VERSION};
"""


_FROM_VERSION_1 = """
ALTER TABLE rows ADD COLUMN possible INTEGER NOT NULL DEFAULT 0;
UPDATE rows SET possible = 1 WHERE state = 1;
PRAGMA user_version = 2;
"""  # state 1: RowState.INTENT


class _Bulk:
    """One statement for many rows; the rows left over take one statement for each 1 in their count in binary.

    `executemany` gives the interpreter away and asks for it back at every row. Beside an event loop at work, 64 rows
    took 1.5 ms by it and 0.55 by one statement, the 5,000 of a part 22 ms and 3; meanwhile no intent is written.

    Args:
        statement: An INSERT with `{}` for its rows.
        values: A row's slots.
        most: Rows of the longest statement, a power of two; SQLite before 3.32 takes 999 slots.
    """

    def __init__(self, statement: str, *, values: str, most: int) -> None:
        self._most = most
        self._statements = {
            count: statement.format(", ".join([values] * count))
            for count in (1 << power for power in range(most.bit_length()))
        }

    def write(self, db: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
        """Write `rows` in their order; one that comes twice is written twice."""
        start = 0
        while left := len(rows) - start:
            count = min(self._most, 1 << (left.bit_length() - 1))
            db.execute(self._statements[count], [*chain.from_iterable(rows[start : start + count])])
            start += count


_UPSERT = _Bulk(
    """
INSERT INTO rows (row, state, generation, sends, resends, due_at, sent_at, accepted_at,
                  upload_started_at, uploaded_at, input, output, failure, possible)
VALUES {}
ON CONFLICT (row) DO UPDATE SET
    state = excluded.state, generation = excluded.generation, sends = excluded.sends,
    resends = excluded.resends, due_at = excluded.due_at, sent_at = excluded.sent_at,
    accepted_at = excluded.accepted_at, upload_started_at = excluded.upload_started_at,
    uploaded_at = excluded.uploaded_at, input = excluded.input, output = excluded.output,
    failure = excluded.failure, possible = excluded.possible
WHERE rows.state <> 3
""",  # a durable row is never anything else again, whatever arrives late
    values="(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    most=64,
)

_DURABLE = _Bulk(
    """
INSERT INTO rows (row, state, generation, sends, resends) VALUES {}
ON CONFLICT (row) DO UPDATE SET state = 3, input = NULL, output = NULL, failure = NULL
""",
    values="(?, 3, 0, 0, 0)",
    most=512,
)


class JournalInUse(JournalError):  # noqa: N818 - reads as what is the case
    """Another process has the journal open."""


class Journal:
    """One run's journal. One thread at a time uses it (`engine.journal_writer` sees to it).

    Args:
        path: The file; it is created unless it exists.
        must_exist: Refuse to create it: a run that is resumed had one, and an empty one would not know its parts.

    Raises:
        JournalInUse: Another process has it.
        JournalError: It is damaged, missing, or of another version.
        StorageError: It cannot be created.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self._path = path
        if must_exist and not path.exists():
            raise JournalError(f"{path} is missing: {_REBUILD}")
        created = False
        try:
            # SQLite gives the write-ahead log the permissions of the file that it finds. One that is there stays
            # closed: closing it would let go of the locks of another `Journal` of this process.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            created = True
        except FileExistsError:
            pass
        except OSError as error:
            raise StorageError(f"{path} cannot be created: {error.strerror}") from error
        self._mark = CommitMark(path)
        # Beside a new file, what there is of a mark was left by another.
        written = None if created else self._mark.read()
        self._commits = 0
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.0, check_same_thread=False)
        try:
            self._open(must_exist=must_exist, written=written)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise _translated(error, path) from error
            raise

    def _open(self, *, must_exist: bool, written: int | None) -> None:
        # EXCLUSIVE before anything touches the file: the lock of the run, no shared memory, and out of reach of the
        # WAL-reset bug of SQLite before 3.51.3.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN EXCLUSIVE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        self._commits = self._db.execute("PRAGMA application_id").fetchone()[0]
        self._db.execute("COMMIT")
        if version == DAMAGED_VERSION or (written or 0) > self._commits or self._has_lost_commits():
            raise JournalError(f"{self._path} is damaged (it has lost commits): {_REBUILD}")
        if version == 0:
            if must_exist:
                raise JournalError(f"{self._path} is empty: {_REBUILD}")
            self._create()
        elif version == 1:
            self._upgrade()
        elif version != SCHEMA_VERSION:
            raise JournalError(f"{self._path}: written by another version of fanout (schema {version})")
        elif written is None:
            raise JournalError(
                f"{self._mark.path} is missing or damaged, so whether the journal is whole cannot be told: {_REBUILD}"
            )
        self._mark.write(self._commits)

    def _has_lost_commits(self) -> bool:
        """Whether SQLite leaves commits out without a word; then the journal stays refused.

        Its log may be damaged, or not be of this file: one of the two comes from another time.
        """
        log = self._path.with_name(f"{self._path.name}-wal")
        page_bytes = self._db.execute("PRAGMA page_size").fetchone()[0]
        if not log.exists():
            return False
        content = log.read_bytes()
        if not lost_commits(content, page_bytes=page_bytes):
            before, first = commits_without_log(self._path), first_commit(content)
            if before is None or first is None or first - 1 <= before <= self._commits:
                return False
        self._db.execute(f"PRAGMA user_version = {DAMAGED_VERSION}")
        return True

    def _create(self) -> None:
        self._mark.create()
        self._change(_SCHEMA)

    def _upgrade(self) -> None:
        """Add what a journal of version 1 lacks.

        It did not tell sends that were made from those that may have been, and no mark says how many commits it had.
        """
        self._mark.create()
        self._change(_FROM_VERSION_1)

    def _change(self, script: str) -> None:
        with self._transaction():
            for statement in script.split(";"):
                if statement.strip():
                    self._db.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the block in one transaction: all of it is written, or nothing, with an error."""
        number = self._commits + 1
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute(f"PRAGMA application_id = {number}")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            # Never tried again: after a failed fsync, what is on the disk is unknown.
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise _translated(error, self._path) from error
        self._commits = number
        self._mark.write(number)

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._db.close()
        self._mark.close()

    def write(self, rows: Sequence[RowRecord], meta: Sequence[tuple[str, str]] = ()) -> None:
        """Make `rows` and `meta` durable, in one transaction."""
        with self._transaction():
            _UPSERT.write(self._db, rows)
            if meta:
                self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta)

    def commit_part(self, number: int, rows: Sequence[int]) -> None:
        """Note that part `number` is durable and holds `rows`, in one transaction."""
        with self._transaction():
            self._db.execute("INSERT INTO parts VALUES (?, ?)", (number, len(rows)))
            _DURABLE.write(self._db, [(row,) for row in rows])

    def is_empty(self) -> bool:
        """Whether no row was ever sent or ended."""
        with _reading(self._path):
            return self._db.execute("SELECT 1 FROM rows LIMIT 1").fetchone() is None

    def has_sent_nothing(self) -> bool:
        """Whether no row has ended, and none was received by the endpoint or may have been."""
        with _reading(self._path):
            sent = self._db.execute("SELECT 1 FROM rows WHERE state <> 4 OR generation > 0 LIMIT 1")
            return sent.fetchone() is None

    def meta(self) -> dict[str, str]:
        """Return the run's own facts."""
        with _reading(self._path):
            return dict(self._db.execute("SELECT key, value FROM meta").fetchall())

    def parts(self) -> list[PartRecord]:
        """Return the durable parts."""
        with _reading(self._path):
            found = self._db.execute("SELECT number, rows FROM parts ORDER BY number").fetchall()
        return [PartRecord(*line) for line in found]

    def states(self) -> Iterator[tuple[int, int]]:
        """Yield (row, state) of every row in the journal, in order."""
        with _reading(self._path):
            yield from self._db.execute("SELECT row, state FROM rows ORDER BY row")

    def open_rows(self) -> Iterator[RowRecord]:
        """Yield the lines of rows that are not durable, in order."""
        with _reading(self._path):
            yield from (
                RowRecord(*line)
                for line in self._db.execute("SELECT * FROM rows WHERE state <> 3 ORDER BY row")
            )

    def check(self) -> None:
        """Read every page.

        Raises:
            JournalError: The file is damaged.
        """
        with _reading(self._path):
            flaws = [line[0] for line in self._db.execute("PRAGMA integrity_check(3)")]
        if flaws != ["ok"]:
            raise JournalError(f"{self._path} is damaged ({flaws[0]}): {_REBUILD}")


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files of the journal at `path`, whether or not they are there; it comes first, its log next."""
    return path, path.with_name(f"{path.name}-wal"), CommitMark(path).path


def count_states(path: Path) -> dict[RowState, int] | None:
    """Return how many rows stand in each state, None while a process is at the run; the journal stays as it is.

    Raises:
        JournalError: It is damaged.
        StorageError: It cannot be read.
    """
    # A process at a run has a log there. Without one the file is all there is, and is read as what does not change: a
    # reader in the common way makes a log and its index, which stay behind.
    how = "mode=ro" if _log_of(path).exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=0.0)) as db:
            return _counted(db, path)
    except sqlite3.Error as error:
        meant = _translated(error, path)
        if isinstance(meant, JournalInUse):
            return None
        if not isinstance(meant, StorageError):
            raise meant from error
    # A process at the run would have been met first: a lock comes before the log.
    return _counted_in_memory(path)


def _counted(db: sqlite3.Connection, path: Path) -> dict[RowState, int]:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        return {}  # its process was killed before it had made the tables
    if version not in {1, SCHEMA_VERSION}:
        raise JournalError(f"{path} is damaged, or was written by another version of fanout: {_REBUILD}")
    found = db.execute("SELECT state, count(*) FROM rows GROUP BY state").fetchall()
    return {RowState(state): count for state, count in found}


def _counted_in_memory(path: Path) -> dict[RowState, int]:
    """Count without writing a byte: on a disk that is full, or in a directory that is read-only."""
    log = _log_of(path)
    with storage(path, "read"):
        content = committed(path.read_bytes(), log.read_bytes() if log.exists() else b"")
    try:
        with closing(sqlite3.connect(":memory:")) as db:
            if content:
                db.deserialize(content)
            return _counted(db, path)
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


_REBUILD = "`fanout resume --rebuild` makes a new one from the parts and the listing of the outputs"


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


_STORAGE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
)


def _translated(error: sqlite3.Error, path: Path) -> JournalError | StorageError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalInUse(f"{path.parent} is in use by another process: wait for it, or stop it")
    if code in _STORAGE:
        return StorageError(f"{path}: {error}. Free some space or repair the disk, {THEN_RESUME}")
    return JournalError(f"{path} is damaged ({error}): {_REBUILD}")
