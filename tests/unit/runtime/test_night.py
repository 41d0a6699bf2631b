"""Nights over a growing input: each file is sent once, whatever becomes of the night, and an empty one says so."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import anyio
import pytest
from support.in_memory import in_memory

from fanout.commands.resume import resume_job
from fanout.commands.retry import retry_job
from fanout.commands.run import run_job
from fanout.config.model import Config
from fanout.errors import Exit, InputError, RunError, UsageError
from fanout.rundir.manifest import read_manifest
from fanout.rundir.paths import RUNS, RunDirectory
from fanout.runtime import finish
from fanout.runtime.schedule import scheduled
from fanout.simulator.settings import SimulatorSettings

BUCKET = "simulated"
NUMBERS = {hashlib.sha256(b'{"n":%d}' % number).hexdigest(): number for number in range(100)}


def lines(*numbers):
    return b"".join(b'{"n":%d}\n' % number for number in numbers)


class Job:
    """A job that is started night after night by one line, on an account in memory.

    Attributes:
        seen: The numbers that the endpoint was sent by the last verb.
    """

    def __init__(self, monkeypatch, folder, *, paths, settings=None, **sections):
        self.account = in_memory(monkeypatch, settings)
        self.folder = folder
        self.nights = 0
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": paths, "since": "last"},
            "retry": {"generations": 0},
        }
        self.sections = standard | sections

    def put(self, name, body):
        self.account.world.objects.put(BUCKET, name, body, content_type=None, now=float(self.nights))

    def config(self, **sections):
        self.nights += 1
        output = {"path": str(self.folder / "out" / f"{self.nights}.parquet")}
        return Config.model_validate({"output": output, **self.sections} | sections)

    def night(self, **sections):
        return self.run(run_job, self.config(**sections))

    def run(self, verb, *arguments, **more):
        """Call a verb; `seen` has the numbers that were sent while it ran."""
        before = len(self.account.world.log)

        async def main():
            return await verb(*arguments, **more)

        try:
            return anyio.run(main)
        finally:
            self.seen = sorted(NUMBERS[line.sha256] for line in self.account.world.log[before:])

    def marks(self):
        return [key for key, _ in self.account.world.objects.list(BUCKET, "").entries if "_fanout_" in key]


@pytest.fixture
def job(monkeypatch, tmp_path):
    return lambda **more: Job(monkeypatch, tmp_path, **({"paths": [f"s3://{BUCKET}/q/{{date:%Y}}/"]} | more))


def test_each_object_of_a_growing_prefix_is_sent_once(job):
    job = job()
    job.put("q/2026/a.jsonl", lines(1, 2))
    first = job.night(run={"date": "2026-11-29"})
    assert (job.seen, first.rows) == ([1, 2], 2)
    assert any("yet: every file counts as new" in text for text in first.warnings)
    job.put("q/2026/b.jsonl", lines(3))
    job.put("q/2026/0.jsonl", lines(4))  # before the others by its name: keys are compared, not an order
    second = job.night(run={"date": "2026-11-30"})
    assert (job.seen, second.rows, second.warnings) == ([3, 4], 2, ())
    [mark] = job.marks()
    assert mark.startswith("q/_fanout_watermark-")
    told = json.loads(job.account.world.objects.find(BUCKET, mark).body)
    assert (told["run"], told["output"], len(told["files"])) == (second.run_id, second.output, 3)


def test_an_empty_night_is_no_failure_and_says_so(job):
    job = job()
    job.put("q/2026/a.jsonl", lines(1))
    first = job.night(run={"date": "2026-11-29"})
    for date in ("2026-11-30", "2027-01-01"):  # nothing new, and nothing at all
        night = job.night(run={"date": date})
        assert (night.rows, night.exit, night.output_bytes, job.seen) == (0, Exit.OK, 0, [])
        assert night.warnings[0].startswith("nothing new: ")
        assert not Path(night.output).exists()
        assert not Path(night.run_dir).exists()
    assert (
        f"the last of them {first.run_id} (output {first.output})"
        in job.night(run={"date": "2026-11-30"}).warnings[0]
    )


def test_the_line_of_a_night_that_has_ended_is_done_when_it_is_run_again(job):
    job = job()
    job.put("q/2026/a.jsonl", lines(1))
    job.night(run={"date": "2026-11-29"})
    job.put("q/2026/b.jsonl", lines(2))
    tonight = job.config(run={"date": "2026-11-30", "resume": True})
    second = job.run(run_job, tonight)
    assert (job.seen, second.rows) == ([2], 1)
    assert (job.run(run_job, tonight), job.seen) == (second, [])
    job.put("q/2026/c.jsonl", lines(3))
    with pytest.raises(UsageError, match=f"by run {second.run_id}, and the input has changed"):
        job.run(run_job, tonight)
    assert job.seen == []


def test_an_empty_night_is_a_success_to_who_waits_for_one(job):
    """An alert on `fanout_last_success_timestamp_seconds` would take it for a job that died."""
    job = job()
    job.sections["metrics"] = {"textfile": str(job.folder / "job.prom")}
    job.put("q/2026/a.jsonl", lines(1))
    told = []
    for _ in range(2):
        job.night(run={"date": "2026-11-30"})
        text = (job.folder / "job.prom").read_text()
        [line] = [line for line in text.splitlines() if line.startswith("fanout_last_success_timestamp")]
        told.append(float(line.rpartition(" ")[2]))
        [code] = [line for line in text.splitlines() if line.startswith("fanout_exit_code")]
        assert float(code.rpartition(" ")[2]) == 0
    assert (job.seen, told[1] > told[0]) == ([], True)


def test_a_first_night_that_finds_nothing_is_a_mistake(job):
    with pytest.raises(InputError, match="no such object or prefix"):
        job().night(run={"date": "2026-11-30"})


def test_an_object_that_changed_is_sent_again_and_said(job):
    job = job()
    for name in "abcde":
        job.put(f"q/2026/{name}.jsonl", lines(ord(name) - 96))
    job.night(run={"date": "2026-11-29"})
    for name in "abcd":
        job.put(f"q/2026/{name}.jsonl", lines(ord(name) - 86))
    second = job.night(run={"date": "2026-11-30"})
    assert job.seen == [11, 12, 13, 14]
    [said] = second.warnings
    assert said.startswith("changed since an earlier run had read them, and sent again: 4 files (s3://")
    assert said.endswith(f"s3://{BUCKET}/q/2026/c.jsonl and 1 more)")


def test_a_night_with_rows_that_failed_has_ended(job):
    job = job(settings=SimulatorSettings.model_validate({"failure_share": 1.0}))
    job.put("q/2026/a.jsonl", lines(1))
    assert job.night(run={"date": "2026-11-29"}).exit is Exit.ROWS_FAILED
    job.put("q/2026/b.jsonl", lines(2))
    job.night(run={"date": "2026-11-29"})
    assert job.seen == [2]


def breaks_at(monkeypatch, moment):
    """Have a run break off before its output is placed, or after, or once the watermark is moved."""

    def breaks(*_arguments, **_more):
        raise RunError("killed")

    name = {"before": "_build", "placed": "end_night", "moved": "_summed_up"}[moment]
    monkeypatch.setattr(finish, name, breaks)


@pytest.mark.parametrize("moment", ["before", "placed", "moved"])
def test_a_night_that_broke_off_goes_on_with_its_own_objects_and_its_own_date(job, monkeypatch, moment):
    job = job()
    job.put("q/2026/a.jsonl", lines(1))
    with monkeypatch.context() as broken:
        breaks_at(broken, moment)
        with pytest.raises(RunError, match="killed"):
            job.night(run={"date": "2026-12-31"})
    assert (job.seen, len(job.marks())) == ([1], int(moment == "moved"))
    job.put("q/2026/b.jsonl", lines(2))  # came meanwhile: of the next night
    [directory] = (path.parent for path in (job.folder / "out" / RUNS).glob("*/run.json"))
    changed = job.config().model_copy(update={"output": read_manifest(RunDirectory(directory)).config.output})
    done = job.run(resume_job, directory, changed=changed)  # by the same line, on another day
    assert (done.rows, job.seen) == (1, [])
    job.night(run={"date": "2026-12-31"})
    assert job.seen == [2]


@pytest.mark.parametrize("moment", ["before", "placed"])
def test_a_night_that_broke_off_and_is_started_anew_takes_the_same_objects(job, monkeypatch, moment):
    job = job()
    job.put("q/2026/a.jsonl", lines(1))
    with monkeypatch.context() as broken:
        breaks_at(broken, moment)
        with pytest.raises(RunError, match="killed"):
            job.night(run={"date": "2026-11-30"})
    job.put("q/2026/b.jsonl", lines(2))
    assert job.night(run={"date": "2026-11-30"}).rows == 2
    assert job.seen == [1, 2]


def test_files_of_a_folder_are_told_apart_by_size_and_time(job, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    job = job(paths=[str(folder / "*.jsonl")])
    (folder / "a.jsonl").write_bytes(lines(1))
    (folder / "b.jsonl").write_bytes(lines(2))
    job.night()
    assert job.seen == [1, 2]
    (folder / "b.jsonl").write_bytes(lines(3))
    os.utime(folder / "b.jsonl", ns=(5, 5))
    (folder / "c.jsonl").write_bytes(lines(4))
    assert job.night().warnings[0].endswith(f"sent again: 1 file ({folder / 'b.jsonl'})")
    assert job.seen == [3, 4]
    assert job.night().rows == 0
    [mark] = folder.glob("_*")
    assert mark.stat().st_mode & 0o777 == 0o600
    (folder / "b.jsonl").unlink()
    (folder / "d.jsonl").write_bytes(lines(5))
    job.night()
    assert [Path(path).name for path in json.loads(mark.read_bytes())["files"]] == [
        "a.jsonl", "c.jsonl", "d.jsonl",
    ], "what is gone is forgotten"  # fmt: skip


def test_a_file_that_changed_before_the_resume_is_refused(job, monkeypatch, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(lines(1))
    job = job(paths=[str(folder)])
    with monkeypatch.context() as broken:
        breaks_at(broken, "before")
        with pytest.raises(RunError, match="killed"):
            job.night()
    (folder / "a.jsonl").write_bytes(lines(2, 3))
    [directory] = (path.parent for path in (job.folder / "out" / RUNS).glob("*/run.json"))
    with pytest.raises(InputError, match="changed while it was being read"):
        job.run(resume_job, directory)


def test_a_watermark_may_be_named_and_is_no_input(job):
    job = job(paths=[f"s3://{BUCKET}/q"])
    job.sections["input"] |= {"watermark": f"s3://{BUCKET}/q/mark.jsonl"}
    job.put("q/a.jsonl", lines(1))
    job.night()
    assert job.night().rows == 0
    job.sections["input"] |= {"watermark": str(job.folder / "mark.json"), "paths": [f"s3://{BUCKET}/q/a*"]}
    assert (job.night().rows, job.seen) == (1, [1])
    assert job.night().rows == 0


def test_what_is_no_watermark_is_refused_before_anything_is_sent(job):
    job = job()
    job.sections["input"] |= {"watermark": f"s3://{BUCKET}/mark.json"}
    job.put("q/2026/a.jsonl", lines(1))
    for content in (b"", b"[]", b"{", b'{"version": 2}', b'{"version": 1, "files": {"a": 1}}'):
        job.put("mark.json", content)
        with pytest.raises(UsageError, match=r"mark\.json is not a watermark of fanout \(.*\): move it away"):
            job.night(run={"date": "2026-11-30"})
    assert job.seen == []


@pytest.mark.parametrize(
    ("operation", "right"), [("CreateMultipartUpload", "s3:PutObject"), ("GetObject", "s3:GetObject")]
)
def test_a_right_that_a_watermark_needs_is_named_before_anything_is_sent(job, operation, right):
    job = job(settings=SimulatorSettings.model_validate({"faults": {"denied": [operation]}}))
    job.put("q/2026/a.jsonl", lines(1))
    with pytest.raises(RunError, match=f"Grant {right}") as caught:
        job.night(run={"date": "2026-11-30"})
    assert (caught.value.exit, job.seen) == (Exit.PRECONDITION, [])


def test_a_folder_in_which_no_watermark_can_be_written_is_refused_before_anything_is_sent(job, tmp_path):
    job = job()
    job.sections["input"] |= {"watermark": str(tmp_path / "missing" / "mark.json")}
    job.put("q/2026/a.jsonl", lines(1))
    with pytest.raises(
        UsageError, match=r"cannot be written there: name another place with input\.watermark"
    ):
        job.night(run={"date": "2026-11-30"})
    assert job.seen == []


def test_another_night_that_ended_meanwhile_is_kept_and_said(job, monkeypatch):
    job = job()
    job.put("q/2026/a.jsonl", lines(1))
    job.put("q/2026/b.jsonl", lines(2))
    other = []

    async def ends_first(*arguments, **more):
        monkeypatch.setattr(finish, "end_night", end_night)
        other.append(await run_job(job.config(run={"date": "2026-11-30"})))
        await end_night(*arguments, **more)

    end_night = finish.end_night
    monkeypatch.setattr(finish, "end_night", ends_first)
    night = job.night(run={"date": "2026-11-30"})
    assert job.seen == [1, 1, 2, 2]
    assert (
        f"run {other[0].run_id}, which ended meanwhile, has read these files, too: 2 files"
        in night.warnings[-1]
    )


def test_a_retry_reads_what_its_run_had_read_and_moves_nothing(job):
    job = job(settings=SimulatorSettings.model_validate({"failure_share": 1.0}))
    job.put("q/2026/a.jsonl", lines(1))
    job.night(run={"date": "2026-11-29"})
    job.put("q/2026/b.jsonl", lines(2))
    night = job.night(run={"date": "2026-11-30"})
    job.put("q/2026/c.jsonl", lines(3))
    [mark] = job.marks()
    before = job.account.world.objects.find(BUCKET, mark).body
    again = job.run(retry_job, Path(night.run_dir), str(job.folder / "again.parquet"))
    assert (again.rows, job.seen) == (1, [2])
    assert job.account.world.objects.find(BUCKET, mark).body == before


def test_what_a_process_chose_that_was_killed_before_it_began_is_chosen_anew(job):
    job = job()
    mine = job.folder / "mine"
    mine.mkdir()
    (mine / "inputs.json").write_text('{"version": 1, "files": [], "gone": []}')
    job.put("q/2026/a.jsonl", lines(1))
    assert job.night(run={"date": "2026-11-30", "dir": str(mine)}).rows == 1


def test_a_run_that_takes_everything_leaves_no_watermark(job):
    job = job()
    job.sections["input"] |= {"since": None}
    job.put("q/2026/a.jsonl", lines(1))
    for _ in range(2):
        assert job.night(run={"date": "2026-11-30"}).rows == 1
    assert job.marks() == []


def test_two_jobs_over_one_prefix_have_two_watermarks(job):
    places = {
        scheduled(
            Config.model_validate({"endpoint": {"name": name}, "input": {"paths": paths, "since": "last"}}),
            now=0.0,
        ).input.watermark
        for name, paths in (
            ("one", ["s3://b/q/{date}/"]),
            ("two", ["s3://b/q/{date}/"]),
            ("one", ["s3://b/q/x-*"]),
        )
    }
    assert len(places) == 3
    assert all(place.startswith("s3://b/q/_fanout_watermark-") for place in places)
