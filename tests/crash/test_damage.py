"""Run directories that were damaged: refused in a sentence that names the way out, and rebuilt where that is asked."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.audit import lost_reports
from support.cli import local_aws
from support.leftovers import leftovers
from support.processes import (
    KILLED,
    QUICK,
    RESUME,
    Exited,
    Running,
    fanout,
    finished,
    make_input,
    run_command,
    sent,
)  # fmt: skip

from fanout.commands.export import export
from fanout.commands.rebuild import _open_draft
from fanout.config.model import Config
from fanout.errors import JournalError, UsageError
from fanout.failpoints import VARIABLE
from fanout.rundir.journal import NAME, Journal
from fanout.rundir.manifest import changes, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.recovery import recover

REBUILD = (*RESUME, "--rebuild", "--unknown", "resend")
SMALL_PARTS = {"FANOUT_OUTPUT_PART_ROWS": "40"}


def killed(aws, directory, given, *, at="part.committed:3"):
    """Leave a run in `directory/rd` that was killed at a fail point; return what its journal called durable."""
    command = run_command(given, aws)
    exited = Running(*command, aws=aws, directory=directory, **SMALL_PARTS, **{VARIABLE: at}).wait()
    assert exited.code == KILLED, exited.stderr
    return leftovers(directory / "rd").reported


def flip(path: Path, place: int, bit: int = 2) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def last_page_byte(part: Path, column: str) -> int:
    """The place in the file of the last byte of a column's last page, whatever sizes the columns came to have."""
    group = pq.ParquetFile(part).metadata.row_group(0)
    chunk = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == column)
    return (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1


def refused(exited: Exited, *, code: int = 5) -> str:
    assert exited.code == code, exited.stderr
    assert exited.stderr.count("\n") == 1, exited.stderr
    assert "fanout resume --rebuild" in exited.stderr
    return exited.stderr


# ---- the journal


@dataclass
class Passthrough:
    """A killed run's files, and the same after the log was taken into the database."""

    torn: Path
    whole: Path


@pytest.fixture(scope="module")
def kept(aws, tmp_path_factory):
    directory = tmp_path_factory.mktemp("passthrough")
    given = make_input(directory / "in.jsonl", 200, seed=1, large_share=0.05)
    killed(aws, directory, given)
    shutil.copytree(directory / "rd", directory / "whole")
    Journal(directory / "whole" / NAME).close()
    return Passthrough(directory / "rd", directory / "whole")


def told(run: Path) -> dict[str, object]:
    """What a resume would believe."""
    journal = Journal(run / NAME, must_exist=True)
    try:
        journal.check()
        found = recover(journal, run / "parts")
    finally:
        journal.close()
    parts = [part.number for part in found.parts]
    return {"durable": bytes(found.durable).rstrip(b"\0"), "open": dict(found.open), "parts": parts}


@pytest.mark.parametrize(
    ("state", "suffix", "may_differ"),
    [
        ("torn", "-wal", set()),
        ("torn", "", set()),
        ("torn", "-written", set()),
        # SQLite's pages have no checksums: an instant may be wrong by a bit, a durable row is compared with its part.
        ("whole", "", {"open"}),
    ],
)
def test_flipped_bits_are_refused_or_harmless(kept, tmp_path, state, suffix, may_differ):
    original = getattr(kept, state)
    rng = random.Random(7)
    shutil.copytree(original, tmp_path / "sound")
    sound = told(tmp_path / "sound")
    outcomes = Counter()
    for turn in range(60):
        run = tmp_path / f"{turn}"
        shutil.copytree(original, run)
        file = run / f"{NAME}{suffix}"
        flip(file, rng.randrange(file.stat().st_size), rng.randrange(8))
        try:
            found = told(run)
        except JournalError as error:
            outcomes["refused" if "--rebuild" in str(error) else "refused, and no way out"] += 1
            continue
        differing = {name for name, value in found.items() if value != sound[name]}
        assert differing <= may_differ, differing
        outcomes["differs" if differing else "same"] += 1
    assert outcomes["refused, and no way out"] == 0
    assert outcomes["differs"] < 10
    assert outcomes["refused"] > 45 or (state, suffix) != ("torn", "-wal"), outcomes


def test_a_damaged_journal_is_refused_and_rebuilt(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 200, seed=2)
    reported = killed(aws, tmp_path, given)
    flip(tmp_path / "rd" / f"{NAME}-wal", 5_000)
    refused(fanout(*RESUME, aws=aws, directory=tmp_path))
    refused(fanout("export", "rd", "-o", "partial.parquet", aws=aws, directory=tmp_path))
    rebuilt = fanout(*REBUILD, aws=aws, directory=tmp_path)
    table = finished(given, aws, tmp_path, rebuilt)
    assert f"journal rebuilt: {reported.num_rows:,} rows durable" in rebuilt.stderr
    assert not lost_reports(reported, table), "I4"
    assert len(sent(aws, tmp_path)) == 200, "every row had been taken: all outputs could be found"
    assert (tmp_path / "rd" / f"{NAME}.damaged").exists()


def test_a_log_that_was_cut_at_half_sends_nothing_twice(aws, tmp_path):
    """SQLite takes half of a log without a word: its rows would be new ones, and sent again uncounted."""
    given = make_input(tmp_path / "in.jsonl", 200, seed=12)
    killed(aws, tmp_path, given)
    log = tmp_path / "rd" / f"{NAME}-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    assert "has lost commits" in refused(fanout(*RESUME, aws=aws, directory=tmp_path))
    finished(given, aws, tmp_path, fanout(*REBUILD, aws=aws, directory=tmp_path))
    assert len(sent(aws, tmp_path)) == 200


def test_a_rebuild_that_comes_to_nothing_leaves_an_empty_journal_refused(tmp_path):
    """With tables in it, it would be one of a run that has sent nothing."""
    directory = RunDirectory(tmp_path)
    directory.journal.write_bytes(b"")
    _open_draft(directory).close()
    with pytest.raises(JournalError, match="is empty"):
        Journal(directory.journal, must_exist=True)


# ---- copies


def test_of_two_copies_one_goes_on(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 200, seed=13)
    killed(aws, tmp_path, given)
    before = len(sent(aws, tmp_path))
    shutil.copytree(tmp_path / "rd", tmp_path / "copy")
    asked = fanout("resume", "copy", "-q", aws=aws, directory=tmp_path)
    assert asked.code == 5
    assert "copy is a copy, or was moved to another file system" in asked.stderr
    answered = fanout("resume", "copy", "-q", "--moved", aws=aws, directory=tmp_path)
    assert answered.code == 5
    assert "rd, which it was made of, is there and can go on" in answered.stderr
    assert len(sent(aws, tmp_path)) == before, "neither sent anything"
    durable = leftovers(tmp_path / "copy").durable
    assert export(tmp_path / "copy", str(tmp_path / "so far.parquet"), overwrite=False) == durable > 0
    shutil.rmtree(tmp_path / "rd")
    (tmp_path / "copy").rename(tmp_path / "rd")
    finished(given, aws, tmp_path, fanout(*RESUME, "--moved", aws=aws, directory=tmp_path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "is missing: .*--rebuild"),
        (b"", "is empty: .*--rebuild"),
        (b"This is no database. " * 500, "is damaged .*--rebuild"),
        (b"SQLite format 3\0", "is damaged .*--rebuild"),
    ],
)
def test_a_journal_that_is_none_is_refused(tmp_path, content, problem):
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(JournalError, match=problem):
        Journal(tmp_path / NAME, must_exist=True)


def test_a_journal_of_another_version_is_refused(tmp_path):
    journal = Journal(tmp_path / NAME)
    journal._db.execute("PRAGMA user_version = 99")
    journal.close()
    with pytest.raises(JournalError, match="written by another version of fanout"):
        Journal(tmp_path / NAME)


# ---- parts


@pytest.mark.parametrize("what", ["cut short", "missing", "another's rows", "unknown to the journal"])
def test_parts_that_contradict_the_journal_are_refused(kept, tmp_path, what):
    run = tmp_path / "rd"
    shutil.copytree(kept.whole, run)
    one, two = run / "parts" / "part-00001.parquet", run / "parts" / "part-00002.parquet"
    if what == "cut short":
        one.write_bytes(one.read_bytes()[:-100])
    elif what == "missing":
        one.unlink()
    elif what == "another's rows":
        shutil.copy(two, one)
    else:
        for number in (7, 8):  # one may be there, left by a kill before its commit
            shutil.copy(one, one.with_name(f"part-0000{number}.parquet"))
    before = sorted(path.name for path in (run / "parts").iterdir())
    with pytest.raises(JournalError, match="--rebuild"):
        told(run)
    assert sorted(path.name for path in (run / "parts").iterdir()) == before, "nothing is removed"


def test_the_one_part_that_was_not_committed_is_removed(kept, tmp_path):
    run = tmp_path / "rd"
    shutil.copytree(kept.whole, run)
    orphan = run / "parts" / "part-00003.parquet"
    shutil.copy(run / "parts" / "part-00001.parquet", orphan)
    assert told(run)["parts"] == [0, 1, 2]
    assert not orphan.exists()


# The footer is sound: the page checksums tell. The resume reads the names of the rows before it does anything, the
# responses only when the output is made, and then it is the disk's doing.
@pytest.mark.parametrize(("column", "code"), [("row", 5), ("response", 6)])
def test_a_damaged_part_is_refused_and_collected_again(aws, tmp_path, column, code):
    given = make_input(tmp_path / "in.jsonl", 200, seed=4)
    killed(aws, tmp_path, given)
    part = tmp_path / "rd" / "parts" / "part-00001.parquet"
    flip(part, last_page_byte(part, column))
    refused(fanout(*RESUME, aws=aws, directory=tmp_path), code=code)
    assert not (tmp_path / "out.parquet").exists()
    rebuilt = fanout(*REBUILD, aws=aws, directory=tmp_path)
    finished(given, aws, tmp_path, rebuilt)
    assert len(sent(aws, tmp_path)) == 200
    assert "set aside: part-00001.parquet.damaged" in rebuilt.stderr


# ---- rebuilding


def test_a_rebuild_that_was_killed_is_done_again(aws, tmp_path):
    """Between its two renames there is no journal: a resume refuses to begin an empty one."""
    given = make_input(tmp_path / "in.jsonl", 60, seed=5)
    killed(aws, tmp_path, given, at="part.committed:1")
    path = tmp_path / "rd" / NAME
    shutil.copy(path, path.with_name(f"{NAME}.rebuilt"))
    path.rename(path.with_name(f"{NAME}.damaged"))
    assert "is missing" in refused(fanout(*RESUME, aws=aws, directory=tmp_path))
    finished(given, aws, tmp_path, fanout(*REBUILD, aws=aws, directory=tmp_path))
    assert not path.with_name(f"{NAME}.rebuilt").exists()


def test_rows_that_the_endpoint_still_has_are_sent_again_and_counted(tmp_path):
    given = make_input(tmp_path / "in.jsonl", 60, seed=6)
    with local_aws(*QUICK, "service_time.median_s=6", "service_time.sigma=0") as aws:
        killed(aws, tmp_path, given, at="accept.durable:1")
        (tmp_path / "rd" / NAME).unlink()
        table = finished(given, aws, tmp_path, fanout(*REBUILD, aws=aws, directory=tmp_path))
        again = len(sent(aws, tmp_path)) - 60
    assert 0 < again <= sum(table["resends"].to_pylist())


def test_outputs_are_found_by_the_shape_of_their_names(tmp_path):
    """How AWS joins path, extension and file name is not documented, and the replies that told are lost."""
    given = make_input(tmp_path / "in.jsonl", 60, seed=7)
    with local_aws(*QUICK, "join=suffixed") as aws:
        killed(aws, tmp_path, given, at="accept.durable:1")
        (tmp_path / "rd" / NAME).unlink()
        finished(given, aws, tmp_path, fanout(*REBUILD, aws=aws, directory=tmp_path))
        assert len(sent(aws, tmp_path)) == 60


def test_failures_are_told_by_their_objects(tmp_path):
    """A failure that is retried may have been: its next generation is uncertain."""
    given = make_input(tmp_path / "in.jsonl", 120, seed=8)
    with local_aws(*QUICK, "failure_share=0.3") as aws:
        killed(aws, tmp_path, given, at="part.committed:2")
        (tmp_path / "rd" / NAME).unlink()
        table = finished(given, aws, tmp_path, fanout(*REBUILD, aws=aws, directory=tmp_path), exit_code=3)
    assert set(table["status"].to_pylist()) == {"succeeded", "failed"}


def test_a_finished_run_is_not_rebuilt(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 5, seed=9)
    finished(given, aws, tmp_path, fanout(*run_command(given, aws), aws=aws, directory=tmp_path))
    exited = fanout(*REBUILD, aws=aws, directory=tmp_path)
    assert exited.code == 2
    assert "the run has finished" in exited.stderr


# ---- run.json, the input and the configuration


def test_without_run_json_there_is_no_run(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 60, seed=10)
    killed(aws, tmp_path, given, at="part.committed:1")
    (tmp_path / "rd" / "run.json").unlink()
    exited = fanout(*RESUME, aws=aws, directory=tmp_path)
    assert exited.code == 2
    assert "holds no run: there is no run.json" in exited.stderr
    anew = fanout(*run_command(given, aws), aws=aws, directory=tmp_path)
    assert anew.code == 2, "a journal with rows must not become another run's"
    assert "run.json is gone" in anew.stderr


SOUND = {
    "version": 1, "fanout": "0", "run": "abcdefghij", "endpoint": "e", "fingerprint": "f", "rows": None,
    "retry_of": None, "config": {"output": {"path": "/tmp/x"}},
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe{",
        b"null",
        b"[]",
        b"3",
        b"[" * 100_000,
        *(
            json.dumps({key: value for key, value in SOUND.items() if key != left_out}).encode()
            for left_out in SOUND
            if left_out != "fanout"
        ),
        *(
            json.dumps(SOUND | change).encode()
            for change in (
                {"version": 99},
                {"version": "1"},
                {"run": "ABC"},
                {"run": 7},
                {"config": 3},
                {"config": {"output": {"pth": "x"}}},
                {"config": {"pacing": {"rate": -1}}},
                {"rows": 3},
                {"rows": [[1]]},
                {"rows": [["a", "b"]]},
            )
        ),
    ],
    ids=lambda content: content[:40].decode("latin-1"),
)
def test_a_damaged_run_json_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(JournalError, match=r"run\.json"):
        read_manifest(RunDirectory(tmp_path))


def test_a_sound_run_json_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(SOUND))
    assert read_manifest(RunDirectory(tmp_path)).run_id == "abcdefghij"
    with pytest.raises(UsageError, match="elsewhere: no such file or directory"):
        read_manifest(RunDirectory(tmp_path / "elsewhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no run"):
        read_manifest(RunDirectory(tmp_path / "empty"))


def test_what_changed_is_refused_and_named(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 60, seed=11)
    killed(aws, tmp_path, given, at="part.committed:1")
    before = len(sent(aws, tmp_path))
    content, times = given.path.read_bytes(), given.path.stat()

    exited = fanout(*RESUME, aws=aws, directory=tmp_path, FANOUT_PAYLOAD_COLUMN="text")
    assert exited.code == 2
    assert "payload.column differ from what" in exited.stderr

    given.path.write_bytes(content + b'{"id": "one more"}\n')
    exited = fanout(*RESUME, aws=aws, directory=tmp_path)
    assert exited.code == 2
    assert "the input has changed since the run began" in exited.stderr
    assert len(sent(aws, tmp_path)) == before, "nothing was sent"

    given.path.write_bytes(content)
    os.utime(given.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    exited = fanout(*RESUME, "--rate", "500", "--concurrency", "3", aws=aws, directory=tmp_path)
    finished(given, aws, tmp_path, exited)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("input", "paths", ["/elsewhere"]),
        ("endpoint", "name", "another"),
        ("payload", "column", "text"),
        ("payload", "accept", "text/csv"),
        ("columns", "keep", ["text"]),
        ("transport", "mode", "s3"),
        ("transport", "input_prefix", "s3://elsewhere"),
        ("output", "path", "/elsewhere.parquet"),
        ("run", "journal", False),
    ],
)
def test_keys_that_matter(section, key, value):
    assert changes(Config(), Config.model_validate({section: {key: value}})) == [f"{section}.{key}"]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("pacing", "rate", 5.0),
        ("transport", "concurrency", 3),
        ("collect", "unknown", "never"),
        ("run", "grace_s", 1.0),
        ("output", "overwrite", True),
    ],
)
def test_keys_that_do_not_matter(section, key, value):
    assert changes(Config(), Config.model_validate({section: {key: value}})) == []
