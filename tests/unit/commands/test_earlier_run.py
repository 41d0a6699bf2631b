"""One line that is run twice: what a start does with what an earlier one left at its output, cell by cell."""

from __future__ import annotations

import json
import shutil
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory

from fanout.commands.discard import discard
from fanout.commands.new_run import start_run
from fanout.commands.resume import resume_job
from fanout.commands.retry import retry_job
from fanout.commands.run import run_job
from fanout.config.model import Config
from fanout.errors import Exit, JournalError, TooManyFailures, UnfinishedRun, UsageError
from fanout.output.object_place import object_place
from fanout.rundir.claim import OutputInUse, Owner, claim_path, claimed, read_claim
from fanout.rundir.identity import take_over
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime import finish
from fanout.runtime.claim_note import Note, parse_note
from fanout.runtime.claim_object import claim_location

ROWS = 10


class Place:
    """Where outputs stand: on this machine, or in S3 with the run's directory on this machine."""

    def __init__(self, kind, account, folder):
        self.account, self.folder = account, folder
        self.remote = kind == "s3"
        self.output = "s3://simulated/out.parquet" if self.remote else str(folder / "out.parquet")
        self.claim = claim_location(object_place(self.output)) if self.remote else claim_path(self.output)

    @property
    def claimed(self):
        """Whether a claim is left."""
        return (
            self.account.world.objects.find(*self.claim) is not None if self.remote else self.claim.exists()
        )

    def owner(self):
        """Return whom the claim names."""
        if not self.remote:
            return read_claim(self.output)
        return parse_note(self.account.world.objects.find(*self.claim).body, "claim").owner

    def rows(self):
        """Return how many rows the output has."""
        if not self.remote:
            return pq.read_metadata(self.output).num_rows
        body = self.account.world.objects.find("simulated", "out.parquet").body
        return pq.read_metadata(pa.BufferReader(body)).num_rows

    @contextmanager
    def live_run(self):
        """Have another process at the output inside the block."""
        directory = RunDirectory(self.folder / RUNS / "abcdefghij")
        owner = Owner.here("abcdefghij", run_dir=directory.path, now=0.0)
        if not self.remote:
            with claimed(self.output) as held:
                held.note(owner)
                yield
            return
        self.account.world.objects.put(*self.claim, Note(owner, "token").encode(), content_type=None, now=0.0)
        directory.create()
        with closing(Journal(directory.journal)):
            yield


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_memory(monkeypatch)


@pytest.fixture(params=["here", pytest.param("s3", marks=pytest.mark.campaign)])
def place(request, account, tmp_path):
    return Place(request.param, account, tmp_path)


@pytest.fixture
def here(account, tmp_path):
    return Place("here", account, tmp_path)


@pytest.fixture
def line(tmp_path):
    """Return what makes the configuration of a line: `line(resume=True, overwrite=True, rate=5.0)`."""
    source = tmp_path / "in.jsonl"
    write_jsonl(source, [{"n": n} for n in range(ROWS)])

    def make(place=None, *, resume=False, overwrite=False, rate=None, **run):
        output = str(tmp_path / "out.parquet") if place is None else place.output
        return Config.model_validate(
            {
                "endpoint": {"name": "simulated"},
                "input": {"paths": [str(source)]},
                "output": {"path": output, "overwrite": overwrite},
                "pacing": {"rate": rate},
                "run": {"resume": resume, **run},
            }
        )

    return make


def start(config, **more):
    async def main():
        return await start_run(config, **more)

    return anyio.run(main)


def accepted(account):
    return len(account.world.log)


def spoil(tmp_path):
    """Have the input end in rows that are none, of which a run with `max_failures=0` stops."""
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("not JSON\n" * 2)


def leave_unfinished(line, place, **run):
    """Leave a run that has sent rows and not finished at the output; return its directory."""
    spoil(place.folder)
    with pytest.raises(TooManyFailures):
        start(line(place, max_failures=0, **run))
    owner = place.owner()
    assert owner is not None
    assert owner.begun
    return Path(owner.run_dir)


# The table, from its last line to its first, for outputs here and in S3.


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_there_starts(account, line, place, resume, overwrite):
    assert start(line(place, resume=resume, overwrite=overwrite)).rows == ROWS == place.rows()
    assert accepted(account) == ROWS
    assert not place.claimed, "a finished run has no claim"


def test_a_finished_run_of_another_input_without_resume_exists_and_is_made_anew_with_overwrite(
    account, line, place
):
    start(line(place))
    write_jsonl(place.folder / "in.jsonl", [{"n": n} for n in range(3)])
    with pytest.raises(UsageError, match=r"out\.parquet exists: choose another name"):
        start(line(place))
    assert accepted(account) == ROWS
    assert start(line(place, overwrite=True)).rows == 3 == place.rows()


@pytest.mark.parametrize("change", ["input", "configuration"])
def test_a_finished_run_of_another_input_with_resume_is_made_anew_with_overwrite_alone(
    account, line, place, change
):
    first = start(line(place))
    expected = ROWS

    def config(**more):
        made = line(place, **more)
        if change == "input":
            return made
        return made.model_copy(update={"payload": made.payload.model_copy(update={"content_type": "a/b"})})

    said = "payload.content_type differ"
    if change == "input":
        write_jsonl(place.folder / "in.jsonl", [{"n": n} for n in range(3)])
        expected, said = 3, "the input has changed"
    if place.remote:
        said = "exists: choose another name"
    else:
        said = f"exists: by run {first.run_id}, and {said}: choose another name"
    with pytest.raises(UsageError, match=said):
        start(config(resume=True))
    assert accepted(account) == ROWS
    again = start(config(resume=True, overwrite=True))
    assert (again.rows, again.run_id != first.run_id) == (expected, True)


def test_a_finished_run_of_the_same_input_without_resume_exists_and_is_made_anew_with_overwrite(
    account, line, place
):
    first = start(line(place))
    with pytest.raises(UsageError, match=r"out\.parquet exists: choose another name"):
        start(line(place))
    assert accepted(account) == ROWS
    again = start(line(place, overwrite=True))
    assert again.run_id != first.run_id
    assert accepted(account) == 2 * ROWS
    assert not place.claimed


@pytest.mark.parametrize("killed", [False, True])
def test_a_finished_run_in_a_directory_that_is_named_is_replaced_with_its_output(
    account, line, place, monkeypatch, killed
):
    """As at a place in S3 (`test_earlier_place.py`); killed half-way, the same line does it again."""
    run = {"dir": f"{place.folder}/tonight", "keep_dir": True}
    first = start(line(place, **run))
    with pytest.raises(
        UsageError, match=r"exists: choose another name|tonight holds a run already, which has"
    ):
        start(line(place, **run))
    write_jsonl(place.folder / "in.jsonl", [{"n": n} for n in range(3)])
    if killed:
        directory = RunDirectory(place.folder / "tonight")
        unlink = Path.unlink

        def dies(path, **more):
            unlink(path, **more)
            if path == directory.manifest:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", dies)
            with pytest.raises(KeyboardInterrupt):
                start(line(place, overwrite=True, **run))
        assert directory.summary.exists()
    again = start(line(place, overwrite=True, **run))
    assert (again.rows, again.run_id != first.run_id, place.rows(), place.claimed) == (3, True, 3, False)
    assert read_manifest(RunDirectory(place.folder / "tonight")).run_id == again.run_id
    assert len(list((place.folder / "tonight" / "parts").iterdir())) == 1, "the one before has kept some, too"


def test_a_finished_run_of_another_output_is_not_replaced(account, line, tmp_path):
    run = {"dir": str(tmp_path / "tonight")}
    start(line(**run))
    other = line(overwrite=True, **run)
    other = other.model_copy(
        update={"output": other.output.model_copy(update={"path": str(tmp_path / "b.parquet")})}
    )
    with pytest.raises(UsageError, match=r"replaces it for a run of the same output, .*/out\.parquet"):
        start(other)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("where", [None, "mine", pytest.param("mine/", marks=pytest.mark.campaign)])
def test_a_finished_run_of_the_same_input_with_resume_is_done(account, line, place, caplog, overwrite, where):
    run = {} if where is None else {"dir": f"{place.folder}/{where}"}
    first = start(line(place, **run))
    caplog.set_level("INFO", logger="fanout")
    again = start(line(place, resume=True, overwrite=overwrite, rate=7.0, **run))
    assert (again, again.finished_before, first.finished_before) == (first, True, False)
    assert accepted(account) == ROWS
    assert f"out.parquet was finished by run {first.run_id}: nothing was sent" in caplog.text
    assert not [each for each in caplog.records if each.levelname == "WARNING"], "it is as it should be"


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_unfinished_run_without_resume_is_named_with_both_ways_out(account, line, place, overwrite):
    directory = leave_unfinished(line, place)
    before = accepted(account)
    with pytest.raises(UnfinishedRun) as refused:
        start(line(place, overwrite=overwrite))
    assert refused.value.exit is Exit.USAGE
    assert f"`fanout resume {directory}` goes on" in str(refused.value)
    assert f"`fanout discard {directory}` gives it up" in str(refused.value)
    refused.value.name_line("fanout run in.jsonl -o out.parquet --resume")
    assert "`fanout run in.jsonl -o out.parquet --resume` goes on" in str(refused.value)
    assert f"fanout resume {directory}" not in str(refused.value)
    assert accepted(account) == before
    assert [path.parent for path in directory.parent.glob("*/run.json")] == [directory]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_unfinished_run_with_resume_goes_on(account, line, place, overwrite):
    directory = leave_unfinished(line, place)
    summary = start(line(place, resume=True, overwrite=overwrite, max_failures=2, rate=500.0))
    assert summary.by_status == {"succeeded": ROWS, "rejected": 2}
    assert summary.run_id == read_manifest(RunDirectory(directory)).run_id
    assert accepted(account) <= ROWS + summary.resends
    assert place.rows() == ROWS + 2
    assert not place.claimed


def test_an_unfinished_run_with_resume_and_another_input_or_configuration_says_what_changed(
    account, line, place
):
    leave_unfinished(line, place)
    before = accepted(account)
    changed = line(place, resume=True)
    changed = changed.model_copy(update={"input": changed.input.model_copy(update={"limit": 4})})
    with pytest.raises(UsageError, match=r"input\.limit differ from what .* was started with"):
        start(changed)
    spoil(place.folder)
    with pytest.raises(UsageError, match="the input has changed since the run began"):
        start(line(place, resume=True))
    assert accepted(account) == before
    assert place.claimed, "it is as unfinished as it was"


@pytest.mark.parametrize("resume", [False, True])
def test_a_live_run_is_named(account, line, place, resume):
    with place.live_run():
        with pytest.raises(
            OutputInUse, match=r"out\.parquet is in use by another process, run abcdefghij"
        ) as refused:
            start(line(place, resume=resume, overwrite=True))
        assert refused.value.exit is Exit.JOURNAL
    assert accepted(account) == 0


# What the table does not say.


def test_standard_input_cannot_be_gone_on_with(account, line):
    config = line(resume=True)
    config = config.model_copy(update={"input": config.input.model_copy(update={"paths": ("-",)})})
    with pytest.raises(UsageError, match="standard input cannot be read again, so --resume"):
        start(config)
    assert account.log == []


@pytest.mark.parametrize(
    ("where", "left"),
    [
        *((None, left) for left in ("nothing", "directory", "journal", "draft")),
        ("mine", "draft"),
        *(
            pytest.param("mine", left, marks=pytest.mark.campaign)
            for left in ("nothing", "directory", "journal")
        ),
    ],
)
def test_a_run_that_was_killed_before_it_began_is_in_no_way(account, line, tmp_path, left, where):
    directory = RunDirectory(tmp_path / (where or f"{RUNS}/abcdefghij"))
    with claimed(str(tmp_path / "out.parquet")) as held:
        held.note(Owner.here("abcdefghij", run_dir=directory.path, now=0.0))
    if left != "nothing":
        directory.create()
    if left in {"journal", "draft"}:
        Journal(directory.journal).close()
    if left == "draft":
        directory.manifest.with_suffix(".tmp").write_bytes(b'{"version"')
    summary = start(line(dir=where and str(tmp_path / where)))
    assert summary.rows == ROWS == accepted(account)
    if where is None:
        assert [path.name for path in (tmp_path / RUNS).iterdir()] == [summary.run_id]


def test_a_run_that_had_begun_and_is_not_here_is_not_taken_for_none(account, line, tmp_path, here):
    directory = leave_unfinished(line, here)
    aside = directory.rename(tmp_path / "aside")
    with pytest.raises(UsageError, match=rf"its directory is not here: {directory}: .* remove .*claims"):
        start(line(resume=True))
    aside.rename(directory)
    assert start(line(resume=True, max_failures=2)).rows == ROWS + 2


def test_a_run_that_was_discarded_is_in_no_way(account, line, place):
    left = leave_unfinished(line, place)
    assert place.claimed
    discard(left, agree=lambda plan: None)
    assert not place.claimed
    assert not left.exists()
    assert start(line(place, max_failures=2)).rows == ROWS + 2


def test_discarding_a_run_leaves_the_claim_of_another(account, line, tmp_path, here):
    left = leave_unfinished(line, here)
    here.claim.unlink()
    with here.live_run():
        discard(left, agree=lambda plan: None)
        assert here.owner().run_id == "abcdefghij"


def test_a_process_that_outlived_the_owner_of_the_claim_is_not_run_over(account, line, tmp_path):
    directory = RunDirectory(tmp_path / RUNS / "abcdefghij")
    with claimed(str(tmp_path / "out.parquet")) as held:
        held.note(Owner.here("abcdefghij", run_dir=directory.path, now=0.0))
    directory.create()
    journal = Journal(directory.journal)
    with pytest.raises(JournalError, match="in use by another process"):
        start(line())
    assert directory.journal.exists()
    journal.close()
    assert start(line()).rows == ROWS


def test_a_kill_between_the_summary_and_the_end_of_the_claim_is_in_no_way(account, line):
    first = start(line())
    directory = RunDirectory(Path(first.run_dir))
    with claimed(first.output) as held:
        held.note(Owner.here(first.run_id, run_dir=directory.path, now=0.0, begun=True))
    assert start(line(resume=True)) == first
    assert not claim_path(first.output).exists()
    assert accepted(account) == ROWS


def test_runs_that_cannot_be_gone_on_with_are_in_no_way(account, line, tmp_path):
    """The person gave up in advance what a journal would tell, and the local AWS is gone with its run."""
    spoil(tmp_path)
    with pytest.raises(TooManyFailures):
        start(line(max_failures=0, journal=False))
    assert not claim_path(str(tmp_path / "out.parquet")).exists()
    assert start(line(max_failures=2, journal=False)).rows == ROWS + 2


def test_a_resume_takes_the_claim_too(account, line, tmp_path, here):
    directory = leave_unfinished(line, here)
    with claimed(str(tmp_path / "out.parquet")), pytest.raises(OutputInUse):
        anyio.run(resume_job, directory)
    claim_path(str(tmp_path / "out.parquet")).unlink()
    changed = read_manifest(RunDirectory(directory)).config
    changed = changed.model_copy(update={"run": changed.run.model_copy(update={"max_failures": 2})})

    async def resume():
        return await resume_job(directory, changed=changed)

    assert anyio.run(resume).rows == ROWS + 2
    assert not claim_path(str(tmp_path / "out.parquet")).exists()


def test_a_resume_that_stops_early_leaves_a_claim_that_names_it(account, line, here):
    directory = leave_unfinished(line, here)
    here.claim.unlink()
    with pytest.raises(TooManyFailures):
        anyio.run(resume_job, directory)
    assert here.owner().run_dir == str(directory)
    with pytest.raises(UnfinishedRun):
        start(line())


def test_a_run_that_goes_on_in_another_directory_is_claimed_from_there(account, line, here):
    directory = leave_unfinished(line, here)
    moved = directory.rename(here.folder / "moved")
    take_over(RunDirectory(moved))
    with pytest.raises(TooManyFailures):
        anyio.run(resume_job, moved)
    assert here.owner().run_dir == str(moved)


def test_a_resume_of_a_run_whose_output_another_run_has_since_is_refused(account, line, tmp_path, here):
    first = leave_unfinished(line, here)
    claim_path(str(tmp_path / "out.parquet")).unlink()
    second = leave_unfinished(line, here)
    with pytest.raises(UsageError, match=f"has another unfinished run since, in {second}"):
        anyio.run(resume_job, first)
    assert read_claim(str(tmp_path / "out.parquet")).run_dir == str(second)


def test_a_resume_of_a_finished_run_says_that_it_was_finished(account, line, caplog):
    caplog.set_level("INFO", logger="fanout")
    summary = start(line())
    again = anyio.run(resume_job, Path(summary.run_dir))
    assert (again, again.finished_before) == (summary, True)
    assert f"out.parquet was finished by run {summary.run_id}: nothing was sent" in caplog.text
    assert not [each for each in caplog.records if each.levelname == "WARNING"], "it is as it should be"


def test_a_retry_claims_its_output_and_does_not_inherit_resume(account, line, tmp_path, caplog):
    spoil(tmp_path)
    first = start(line(resume=True))
    assert read_manifest(RunDirectory(Path(first.run_dir))).config.run.resume is False
    again = tmp_path / "again.parquet"

    async def retry():
        return await retry_job(Path(first.run_dir), str(again))

    with claimed(str(again)), pytest.raises(OutputInUse):
        anyio.run(retry)
    assert anyio.run(retry).by_status == {"rejected": 2}
    with pytest.raises(UsageError, match="exists"):
        anyio.run(retry)


def test_a_retry_by_settings_that_name_no_input_reads_that_of_its_run(account, line, tmp_path):
    spoil(tmp_path)
    first = start(line())
    named = line()
    unnamed = named.model_copy(update={"input": named.input.model_copy(update={"paths": ()})})

    async def retry():
        return await retry_job(Path(first.run_dir), str(tmp_path / "again.parquet"), changed=unnamed)

    assert anyio.run(retry).by_status == {"rejected": 2}


def test_the_unfinished_run_of_a_retry_is_not_gone_on_with_by_a_run(account, line, tmp_path, here):
    directory = leave_unfinished(line, here)
    content = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(content | {"retry_of": "zzzzzzzzzz", "rows": [[0, 4]]}))
    with pytest.raises(UsageError, match="is of other rows"):
        start(line(resume=True))


def test_a_retry_of_rows_that_all_succeeded_is_done_and_warns_of_nothing(account, line, tmp_path, caplog):
    first = start(line())

    async def retry():
        return await retry_job(Path(first.run_dir), str(tmp_path / "again.parquet"))

    caplog.set_level("INFO", logger="fanout")
    summary = anyio.run(retry)
    assert summary == first
    assert summary.nothing_to_retry
    assert first.exit is Exit.OK
    assert "nothing to retry: every row of" in caplog.text
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    assert not (tmp_path / "again.parquet").exists()
    assert accepted(account) == ROWS


def test_run_directories_may_be_given_a_parent(account, line, tmp_path):
    first = start(line(dir=f"{tmp_path}/runs/"))
    second = start(line(dir=f"{tmp_path}/runs/", overwrite=True))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(
        [first.run_id, second.run_id]
    )


@pytest.mark.parametrize(
    ("named", "retried"),
    [
        pytest.param("runs/", "runs/*", marks=pytest.mark.campaign),
        ("runs/{date}", f"{RUNS}/*"),
        ("runs/{date}/", "runs/2026-11-30/*"),
    ],
)
def test_a_retry_has_a_directory_of_its_own_where_its_run_has_one(account, line, tmp_path, named, retried):
    spoil(tmp_path)
    config = line(dir=f"{tmp_path}/{named}", date="2026-11-30")

    async def run():
        return await run_job(config)

    first = anyio.run(run)

    async def retry(name, changed):
        return await retry_job(Path(first.run_dir), str(tmp_path / name), changed=changed)

    for name, changed in (("one.parquet", None), ("two.parquet", config)):
        again = anyio.run(retry, name, changed)
        assert again.rows == 2
        assert Path(again.run_dir) in set(tmp_path.glob(retried)) - {Path(first.run_dir)}


def test_an_output_that_was_taken_over_meanwhile_is_not_placed(monkeypatch, account, line):
    """The run stood still after its last row, for so long that another process has the output now."""
    place = Place("s3", account, Path.cwd())
    theirs = Owner("abcdefghij", "/runs/theirs", "elsewhere", 1, 0.0, begun=True)
    build = finish._build

    def stand_still(*arguments):
        account.world.objects.put(*place.claim, Note(theirs, "theirs").encode(), content_type=None, now=1.0)
        return build(*arguments)

    monkeypatch.setattr(finish, "_build", stand_still)
    with pytest.raises(JournalError, match="is no longer this run's") as lost:
        start(line(place))
    assert lost.value.exit is Exit.JOURNAL
    assert account.world.objects.find("simulated", "out.parquet") is None
    assert place.owner() == theirs, "it is not ours to remove"


def test_a_run_that_sent_nothing_leaves_the_output_in_s3_free(account, line):
    place = Place("s3", account, Path.cwd())
    write_jsonl(place.folder / "in.jsonl", [{"n": 1}])
    account.world.objects.put("simulated", "out.parquet", b"theirs", content_type=None, now=0.0)
    with pytest.raises(UsageError, match="exists"):
        start(line(place))
    assert not place.claimed
    assert not (place.folder / RUNS).exists()


def test_a_run_with_an_output_in_s3_is_gone_on_with_from_another_directory(
    monkeypatch, account, line, tmp_path
):
    place = Place("s3", account, tmp_path)
    directory = leave_unfinished(line, place)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    summary = start(line(place, resume=True, max_failures=2))
    assert (summary.run_dir, summary.rows) == (str(directory), ROWS + 2)
    assert list((tmp_path / "elsewhere").iterdir()) == [], "no run has begun here"
    assert not place.claimed


def test_a_resume_that_is_refused_leaves_the_claim_to_the_run_that_has_it(account, line, here):
    directory = leave_unfinished(line, here)
    copy = shutil.copytree(directory, here.folder / "copy")
    with pytest.raises(JournalError, match="is a copy"):
        anyio.run(resume_job, copy)
    assert here.owner().run_dir == str(directory)
    shutil.rmtree(directory)
    with pytest.raises(JournalError, match="is a copy"):
        anyio.run(resume_job, copy)
    take_over(RunDirectory(copy))
    changed = line(max_failures=2)

    async def resume():
        return await resume_job(copy, changed=changed)

    assert anyio.run(resume).run_dir == str(copy), "it is the same run, wherever it stands by now"
    assert not here.claimed


def test_a_run_whose_manifest_is_gone_is_not_taken_for_none(account, line, here):
    directory = leave_unfinished(line, here)
    (directory / "run.json").unlink()
    with pytest.raises(UsageError, match=f"its run.json is gone from {directory}: put it back"):
        start(line(resume=True))


@pytest.mark.parametrize("resume", [False, True])
def test_a_start_killed_between_its_claim_and_run_json_does_not_hold_the_output(here, line, account, resume):
    directory = RunDirectory(here.folder / RUNS / "abcdefghij")
    directory.create()
    with claimed(here.output) as held:
        held.note(Owner.here("abcdefghij", run_dir=directory.path, now=0.0, begun=True))
        with closing(Journal(directory.journal)):
            pass
    start(line(here, resume=resume))
    assert (accepted(account), here.rows()) == (ROWS, ROWS)


def test_a_run_whose_directory_was_emptied_keeps_its_output(here, line, account):
    directory = RunDirectory(here.folder / RUNS / "abcdefghij")
    directory.create()
    with claimed(here.output) as held:
        held.note(Owner.here("abcdefghij", run_dir=directory.path, now=0.0, begun=True))
    with pytest.raises(UsageError, match=r"run\.json is gone from"):
        start(line(here))
    assert not accepted(account)
