"""Runs that are kept in S3, from any host: found by place or output, looked at, gone on with, exported, given up."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from support.in_memory import in_memory
from support.places import BUCKET, ROWS, KeptInS3

import fanout
from fanout.api import verbs
from fanout.commands.discard_place import discard_place
from fanout.commands.find_place import ask, find_place, named_run, places_below
from fanout.config.model import Config
from fanout.errors import Exit, JournalError, RunError, UsageError
from fanout.runtime.place.run_place import run_place
from fanout.simulator.errors import ServiceError


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_memory(monkeypatch)


@pytest.fixture
def kept(account, tmp_path):
    return KeptInS3(account, tmp_path, output="s3")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another host, as far as its disk goes."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def test_an_unfinished_run_is_looked_at_exported_and_gone_on_with_from_another_host(kept, elsewhere):
    place = kept.leave_unfinished()
    found = fanout.status(place.uri)
    assert (found.state, found.run_dir, found.output) == ("stopped", place.uri, kept.output)
    assert found.next == f"fanout resume {place.uri}"
    assert found.durable == 2, "it stopped of two bad rows"
    assert found.accepted + found.unknown <= ROWS
    before = kept.stored()
    assert fanout.export(place.uri, "so-far.parquet") == 2
    assert pq.read_table("so-far.parquet").column("status").to_pylist() == ["rejected"] * 2
    assert kept.stored() == before, "looking changes nothing"
    summary = fanout.resume(place.uri, max_failures=2)
    assert (summary.rows, summary.run_dir) == (ROWS + 2, place.uri)
    assert fanout.status(place.uri).state == "finished"
    with pytest.raises(UsageError, match=r"the run has finished: its output is s3://"):
        fanout.export(place.uri, "again.parquet")
    assert fanout.resume(place.uri).run_id == summary.run_id, "it is done"
    assert sorted(path.name for path in elsewhere.rglob("*") if path.is_file()) == ["so-far.parquet"]


def test_an_export_goes_to_s3_too(kept, elsewhere):
    place = kept.leave_unfinished()
    assert fanout.export(place.uri, f"s3://{BUCKET}/so-far.parquet") == 2
    assert kept.account.world.objects.find(BUCKET, "so-far.parquet") is not None


def test_a_run_is_found_by_its_output(kept):
    place = kept.leave_unfinished()
    assert named_run(kept.output, Config()) == place
    kept.start(resume=True, max_failures=2)
    with pytest.raises(RunError, match=r"was written by run .*, and nothing here tells where that is kept"):
        named_run(kept.output, Config())


def test_rows_that_failed_are_sent_once_more_from_another_host(kept, elsewhere):
    kept.spoil()
    first = kept.start(max_failures=2)
    again = fanout.retry(first.run_dir, str(elsewhere / "again.parquet"))
    assert (again.rows, again.by_status) == (2, {"rejected": 2})
    with pytest.raises(UsageError, match="is the output of that run"):
        fanout.retry(first.run_dir, kept.output)


def test_the_runs_of_a_place_are_listed_the_oldest_first_and_damaged_ones_as_such(kept, account):
    finished = kept.start()
    other = KeptInS3(account, kept.folder)
    unfinished = other.leave_unfinished()
    account.world.objects.put(BUCKET, "runs/broken/run.json", b"{}", content_type=None, now=0.0)
    account.world.objects.put(BUCKET, "runs/notes.txt", b"", content_type=None, now=0.0)
    found = verbs.runs(f"s3://{BUCKET}/runs/")
    assert [(each.state, each.run_dir) for each in found] == [
        ("damaged", f"s3://{BUCKET}/runs/broken"),
        ("finished", finished.run_dir),
        ("stopped", unfinished.uri),
    ]
    assert verbs.runs(f"s3://{BUCKET}/none/") == []
    [listed] = [
        each for each in ask(Config(), lambda s: places_below(s, f"s3://{BUCKET}/runs")) if each.finished
    ]
    assert listed.place.uri == finished.run_dir


def test_a_run_that_has_just_written_counts_as_at_work_and_one_that_was_killed_as_dead(kept):
    place = kept.leave_unfinished()
    objects = kept.account.world.objects
    closing = max(key for key in kept.stored() if "/journal/" in key)
    objects.delete(BUCKET, closing)
    assert fanout.status(place.uri).state == "running"
    kept.kill(ago_s=60.0)
    assert fanout.status(place.uri).state == "dead"


# Giving one up.


def test_a_run_that_is_given_up_leaves_nothing_and_is_in_no_way(kept):
    place = kept.leave_unfinished()
    kept.account.world.objects.put(BUCKET, f"{place.prefix}/notes.txt", b"mine", content_type=None, now=0.0)
    plans = []
    gone = discard_place(place, config=kept.line(), agree=plans.append)
    assert (plans[0].state, plans[0].durable, plans[0].run_dir) == ("unfinished", 2, place.uri)
    assert gone.strangers == [f"{place.uri}/notes.txt"]
    assert (kept.stored(), kept.claimed) == ([f"{place.prefix}/notes.txt"], False)
    assert kept.start(max_failures=2).rows == ROWS + 2


def test_a_discard_that_is_not_agreed_to_or_that_meets_a_live_run_removes_nothing(kept):
    place = kept.leave_unfinished()
    before = kept.stored()

    def refuse(_plan):
        raise UsageError("no")

    with pytest.raises(UsageError, match=r"^no$"):
        discard_place(place, config=kept.line(), agree=refuse)
    assert kept.stored() == before
    kept.account.world.objects.delete(BUCKET, max(key for key in before if "/journal/" in key))
    with pytest.raises(JournalError, match="is in use by a process on"):
        discard_place(place, config=kept.line(), agree=refuse)


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_a_run_whose_journal_is_damaged_can_be_given_up(kept, damage, caplog):
    place = kept.leave_unfinished()
    kept.kill()
    objects = kept.account.world.objects
    if damage == "missing":
        objects.delete(*place.segment(2))
    else:
        last = max(key for key in kept.stored() if "/journal/" in key)
        objects.put(BUCKET, last, b"torn", content_type=None, now=0.0)
    gone = discard_place(place, config=kept.line(), agree=lambda _: None)
    assert (gone.state, kept.stored(), kept.claimed) == ("unfinished", [], False)
    assert "what it has sent and collected cannot be told" in caplog.text


def test_a_discard_that_may_not_delete_can_be_done_again(kept, monkeypatch):
    place = kept.leave_unfinished()
    delete = kept.account.cloud.objects.delete

    async def refused(locations):
        return list(locations)[:1] if locations[0].key.startswith("runs/") else await delete(locations)

    monkeypatch.setattr(kept.account.cloud.objects, "delete", refused)
    with pytest.raises(RunError, match="grant s3:DeleteObject"):
        discard_place(place, config=kept.line(), agree=lambda _: None)
    assert f"{place.prefix}/run.json" in kept.stored()
    monkeypatch.undo()


# What is no place.


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("s3://simulated", UsageError, "names no place for a run: write s3://BUCKET/runs/NAME"),
        ("s3://simulated/", UsageError, "names no place"),
        ("s3:///runs/a", UsageError, "names no place"),
        (
            "s3://simulated/runs/none",
            UsageError,
            "holds no run: there is no s3://simulated/runs/none/run.json",
        ),
        ("s3://no-such-bucket/runs/a", RunError, "NoSuchBucket"),
    ],
)
def test_what_is_no_place_is_refused_with_the_next_step(account, name, error, words):
    with pytest.raises(error) as refused:
        named_run(name, Config())
    assert words in str(refused.value)
    assert refused.value.exit is (Exit.USAGE if error is UsageError else Exit.PRECONDITION)


def test_a_place_that_may_not_be_read_is_exit_4_and_names_the_right(kept, monkeypatch):
    place = kept.leave_unfinished()

    def denied(*_, **__):
        raise ServiceError(403, "AccessDenied", "no")

    monkeypatch.setattr(kept.account.world.objects, "find", denied)
    monkeypatch.setattr(kept.account.world.objects, "get", denied, raising=False)
    with pytest.raises(RunError, match="s3:GetObject") as refused:
        named_run(place.uri, Config())
    assert refused.value.exit is Exit.PRECONDITION


@pytest.mark.parametrize("what", ["run.json", "segment"])
def test_a_place_of_a_later_version_is_refused_by_name(kept, what):
    place = kept.leave_unfinished()
    objects, clock = kept.account.world.objects, kept.account.clock
    if what == "run.json":
        manifest = json.loads(objects.find(*place.manifest).body)
        body = json.dumps(manifest | {"version": 99}).encode()
        objects.put(*place.manifest, body, content_type=None, now=clock.now())
    else:
        key = max(key for key in kept.stored() if "/journal/" in key)
        objects.put(BUCKET, key, b"\x28\xb5\x2f\xfd of another kind", content_type=None, now=clock.now())
    with pytest.raises(JournalError) as refused:
        fanout.status(place.uri)
    assert refused.value.exit is Exit.JOURNAL
    found = verbs.runs(f"s3://{BUCKET}/runs/")
    assert [each.state for each in found] == ["damaged"]


def test_a_run_that_ended_before_it_sent_anything_is_said_to_be_none(kept):
    place = kept.leave_unfinished()
    kept.account.world.objects.delete(BUCKET, f"{place.prefix}/run.json")
    with pytest.raises(UsageError, match="holds no run: one ended there before it sent anything"):
        ask(Config(), lambda session: find_place(session, place.uri))


# As they are typed.


def test_the_verbs_take_a_place_as_they_are_typed(kept, typed, elsewhere):
    place = kept.leave_unfinished()
    code, out, _ = typed("status", place.uri)
    assert (code, f"next: fanout resume {place.uri}" in out) == (0, True)
    code, out, _ = typed("runs", f"s3://{BUCKET}/runs/", "--json")
    assert (code, json.loads(out)["run_dir"]) == (0, place.uri)
    code, _, err = typed("runs", f"s3://{BUCKET}/nothing/")
    assert (code, "no runs in s3://simulated/nothing/" in err) == (0, True)
    assert typed("export", place.uri, "-o", "so-far.parquet")[0] == 0
    assert "has not finished" in typed("report", place.uri)[2]
    assert "--moved is for run directories" in typed("resume", place.uri, "--moved")[2]
    assert "--rebuild is for a journal that a disk has lost" in typed("resume", place.uri, "--rebuild")[2]
    code, _, err = typed("resume", place.uri, "--max-failures", "2", "-q")
    assert code == Exit.ROWS_FAILED, err
    code, out, _ = typed("report", place.uri)
    assert (code, kept.output in out) == (0, True)
    code, _, err = typed("discard", place.uri)
    assert (code, f"`fanout discard {place.uri} --yes`" in err) == (2, True)
    assert typed("discard", place.uri, "--yes", "-q")[0] == 0
    assert (kept.stored(), kept.rows()) == ([], ROWS + 2), "the output stays"
    assert run_place(place.uri) == place
