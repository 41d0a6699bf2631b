"""The journal against a dictionary: any order of groups, parts, reopenings and kills."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.examples import examples

from fanout.domain.row_state import PartRecord, RowRecord, RowState
from fanout.errors import JournalError
from fanout.rundir.journal import Journal

ROWS = st.integers(0, 7)  # few, so that each goes through much
INSTANTS = st.none() | st.floats(0, 2e9, allow_nan=False)
TEXTS = st.none() | st.sampled_from(["s3://bucket/a", "s3://bucket/\N{SNOWMAN}'\"\n"])
LINES = st.builds(
    RowRecord,
    row=ROWS,
    state=st.sampled_from([RowState.INTENT, RowState.ACCEPTED, RowState.READY]).map(int),
    generation=st.integers(0, 3),
    sends=st.integers(0, 9),
    resends=st.integers(0, 9),
    due_at=INSTANTS,
    sent_at=INSTANTS,
    accepted_at=INSTANTS,
    upload_started_at=INSTANTS,
    uploaded_at=INSTANTS,
    input=TEXTS,
    output=TEXTS,
    failure=TEXTS,
    possible=st.integers(0, 9),
)
FACTS = st.lists(st.tuples(st.sampled_from(["outputs", "failures"]), st.text(max_size=20)), max_size=2)


class JournalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a place: what a power cut does is SQLite's business, not this test's.
        shared = Path("/dev/shm")
        self.directory = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        self.path = self.directory / "journal.sqlite"
        self.journal = Journal(self.path)
        self.lines: dict[int, RowRecord] = {}
        self.durable: set[int] = set()
        self.facts: dict[str, str] = {}
        self.parts: list[PartRecord] = []

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.directory)

    @rule(lines=st.lists(LINES, max_size=6), facts=FACTS)
    def write(self, lines, facts):
        """A group; a line that comes after its row is durable changes nothing."""
        self.journal.write(lines, facts)
        self.lines.update((line.row, line) for line in lines if line.row not in self.durable)
        self.facts.update(facts)

    @rule(rows=st.sets(ROWS, min_size=1))
    def commit_part(self, rows):
        number = len(self.parts)
        self.journal.commit_part(number, sorted(rows))
        self.parts.append(PartRecord(number, len(rows)))
        self.durable |= rows
        for row in rows:
            self.lines.pop(row, None)

    @rule(rows=st.sets(ROWS, min_size=1))
    def commit_a_number_twice(self, rows):
        """Half of a transaction is none of it."""
        if self.parts:
            with pytest.raises(JournalError):
                self.journal.commit_part(self.parts[-1].number, sorted(rows))

    @rule()
    def reopen(self):
        self.journal.close()
        self.journal = Journal(self.path)

    @rule()
    def kill(self):
        """What stands on the disk while the process runs is what the next one finds: nothing waits for `close`."""
        names = [self.path, self.path.with_name("journal.sqlite-wal")]
        found = {path: path.read_bytes() for path in names if path.exists()}
        self.journal.close()
        for path in names:
            path.unlink(missing_ok=True)
        for path, content in found.items():
            path.write_bytes(content)
        self.journal = Journal(self.path)

    @invariant()
    def it_holds_what_was_committed(self):
        states = {row: int(RowState.DURABLE) for row in self.durable}
        states |= {row: line.state for row, line in self.lines.items()}
        assert list(self.journal.states()) == sorted(states.items())
        assert list(self.journal.open_rows()) == [line for _, line in sorted(self.lines.items())]
        assert self.journal.parts() == self.parts
        assert self.journal.meta() == self.facts
        assert self.journal.is_empty() == (not states)

    @invariant()
    def it_is_sound(self):
        self.journal.check()


JournalMachine.TestCase.settings = settings(
    max_examples=examples(60),
    stateful_step_count=20,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)
TestJournal = JournalMachine.TestCase
