"""The table of `--resume` for runs that are kept in S3, cell by cell, for outputs here and in S3."""

from __future__ import annotations

import threading

import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.places import BUCKET, ROWS, KeptInS3

from fanout.errors import Exit, UnfinishedRun, UsageError
from fanout.rundir.claim import OutputInUse, claim_path
from fanout.runtime import object_claim
from fanout.runtime.place import sign_of_life
from fanout.runtime.place.run_place import RunPlace


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_memory(monkeypatch)


@pytest.fixture(
    params=[
        "here in a parent",
        pytest.param("here in a place", marks=pytest.mark.campaign),
        pytest.param("s3 in a parent", marks=pytest.mark.campaign),
        "s3 in a place",
    ]
)
def kept(request, account, tmp_path):
    output, _, named = request.param.split(" ", 2)
    return KeptInS3(
        account, tmp_path, output=output, named="runs/" if named.endswith("parent") else "runs/tonight"
    )


def test_nothing_there_starts(kept):
    summary = kept.start(resume=True)
    assert (summary.rows, kept.rows(), kept.accepted, kept.claimed) == (ROWS, ROWS, ROWS, False)
    name = "tonight" if kept.named.endswith("tonight") else summary.run_id
    assert {f"runs/{name}/run.json", f"runs/{name}/summary.json"} <= set(kept.stored())
    assert not [key for key in kept.stored() if "/parts/" in key]
    assert [*(kept.folder / "scratch").glob("*")] == [], "nothing of it stays on this machine"


def test_a_finished_run_of_the_same_input_with_resume_is_done(kept):
    first = kept.start()
    assert kept.start(resume=True, overwrite=True).run_id == first.run_id
    again = kept.start(resume=True, rate=7.0)
    assert (again.run_id, kept.accepted, again.finished_before) == (first.run_id, ROWS, True)


def test_a_finished_run_without_resume_exists_and_is_made_anew_with_overwrite(kept):
    first = kept.start()
    with pytest.raises(UsageError, match=r"exists: choose another name|holds a run already"):
        kept.start()
    assert kept.accepted == ROWS
    again = kept.start(overwrite=True)
    assert (again.run_id != first.run_id, kept.accepted) == (True, 2 * ROWS)
    assert (kept.rows(), kept.claimed) == (ROWS, False)
    assert kept.start(resume=True).run_id == again.run_id


def test_a_finished_run_of_another_input_with_resume_is_exit_2_and_made_anew_with_overwrite(kept):
    first = kept.start()
    write_jsonl(kept.folder / "in.jsonl", [{"n": n} for n in range(3)])
    with pytest.raises(UsageError, match=r"exists|holds a run already"):
        kept.start(resume=True)
    assert kept.accepted == ROWS
    again = kept.start(resume=True, overwrite=True)
    assert (again.rows, again.run_id != first.run_id) == (3, True)


@pytest.mark.parametrize("killed", [False, True])
def test_an_unfinished_run_without_resume_is_named_with_both_ways_out(kept, killed):
    place = kept.leave_unfinished()
    if killed:
        kept.kill()
    before = kept.accepted
    with pytest.raises(UnfinishedRun) as refused:
        kept.start(overwrite=killed)
    assert refused.value.exit is Exit.USAGE
    assert f"`fanout resume {place.uri}` goes on" in str(refused.value)
    assert f"`fanout discard {place.uri}` gives it up" in str(refused.value)
    refused.value.name_line("fanout run in.jsonl --resume")
    assert "`fanout run in.jsonl --resume` goes on" in str(refused.value)
    assert kept.accepted == before


@pytest.mark.parametrize("killed", [False, True])
def test_an_unfinished_run_with_resume_goes_on(kept, killed):
    place = kept.leave_unfinished()
    if killed:
        kept.kill()
    summary = kept.start(resume=True, max_failures=2, rate=500.0)
    assert summary.by_status == {"succeeded": ROWS, "rejected": 2}
    assert summary.run_dir == place.uri
    assert kept.accepted <= ROWS + summary.resends
    assert (kept.rows(), kept.claimed) == (ROWS + 2, False)


def test_an_unfinished_run_whose_configuration_changed_says_what(kept):
    place = kept.leave_unfinished()
    before = kept.accepted
    write_jsonl(kept.folder / "in.jsonl", [{"n": n} for n in range(4)])
    with pytest.raises(UsageError, match="the input has changed since the run began"):
        kept.start(resume=True)
    assert (kept.accepted, kept.claimed) == (before, True)
    assert f"{place.prefix}/run.json" in kept.stored()


@pytest.mark.parametrize("resume", [False, True])
def test_a_live_run_is_named(account, tmp_path, monkeypatch, resume):
    """Its claim is renewed while a start watches."""
    kept = KeptInS3(account, tmp_path, output="s3")
    kept.leave_unfinished()
    kept.kill(ago_s=1.0)
    monkeypatch.setattr(object_claim, "WATCH_S", 0.05)
    before = kept.accepted
    renewal = threading.Timer(0.3, lambda: kept.kill(ago_s=0.0))
    renewal.start()
    with pytest.raises(OutputInUse, match=r"out\.parquet is in use by another process, run"):
        kept.start(resume=resume)
    renewal.join()
    assert kept.accepted == before


# What the table does not say.


def test_a_host_that_has_lost_the_claim_finds_the_run_at_its_place(account, tmp_path):
    """The output, and the claim beside it, were on the lost host's disk."""
    kept = KeptInS3(account, tmp_path)
    place = kept.leave_unfinished()
    claim_path(kept.output).unlink()
    with pytest.raises(UnfinishedRun, match=place.uri):
        kept.start()
    assert kept.start(resume=True, max_failures=2).run_dir == place.uri


@pytest.mark.parametrize("claim", ["lost", "there"])
def test_such_a_run_that_is_at_work_elsewhere_is_not_taken_over(account, tmp_path, monkeypatch, claim):
    kept = KeptInS3(account, tmp_path)
    place = kept.leave_unfinished()
    if claim == "lost":
        claim_path(kept.output).unlink()
    closing = max(key for key in kept.stored() if "/journal/" in key)
    world = account.world
    world.objects.delete(BUCKET, closing)  # it has not ended: this is the next that it writes
    monkeypatch.setattr(sign_of_life, "WATCH_S", 0.05)
    looks = []
    look = sign_of_life.last_write

    async def writes_meanwhile(objects, where, *, clock):
        looks.append(where)
        if len(looks) == 2:
            body = world.objects.find(*place.status).body
            world.objects.put(*place.status, body, content_type=None, now=account.clock.now() + 2.0)
        return await look(objects, where, clock=clock)

    monkeypatch.setattr(sign_of_life, "last_write", writes_meanwhile)
    with pytest.raises(OutputInUse, match=f"{place.uri} is in use by process [0-9]+ on "):
        kept.start(resume=True)


def test_a_run_of_another_output_at_the_same_parent_is_in_no_way(account, tmp_path):
    KeptInS3(account, tmp_path, output="s3").leave_unfinished()
    other = KeptInS3(account, tmp_path)
    assert other.start(resume=True).rows == ROWS


def test_a_run_that_was_killed_before_it_began_is_in_no_way(kept):
    kept.spoil()
    place = kept.leave_unfinished()
    kept.kill()
    objects = kept.account.world.objects
    for key in kept.stored():
        objects.delete(BUCKET, key)
    assert isinstance(place, RunPlace)
    assert kept.start(max_failures=9).rows == ROWS + 4
