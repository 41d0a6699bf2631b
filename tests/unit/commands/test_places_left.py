"""Run places in S3 that a clean-up finds: whose run is gone, what it may take away, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from support.in_memory import in_memory
from support.left_behind import LeftBehind
from support.places import BUCKET, KeptInS3
from support.segments import segment

from fanout.commands import leftovers as removal
from fanout.commands.gc import collect_garbage
from fanout.commands.places_left import prefixes_of
from fanout.config.model import Config
from fanout.domain.location import Location
from fanout.errors import CallError, Exit, Fenced, Phase, UsageError
from fanout.rundir.begun_uploads import parse_uploads
from fanout.runtime.claim_note import Note
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.segment import Purpose, encode
from fanout.runtime.place.segment_log import SegmentLog
from fanout.runtime.place.sign_of_life import PlaceOwner

DAY = 86_400.0
RUNS = f"s3://{BUCKET}/runs/"
STRANGERS = (
    "runs/readme",
    "runs/one/notes.txt",
    "runs/one/journal/latest",
    "runs/one/parts/x",
    "other/run.json",
)


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(removal, "NEW_QUEUE_S", 0.0)
    return in_memory(monkeypatch)


@pytest.fixture
def kept(account, tmp_path):
    return KeptInS3(account, tmp_path, output="s3", named="runs/one")


def clean(mode="delete", *, older_than_s=0.0, run_dirs=(RUNS,), unfinished="keep", **sections):
    async def main():
        return await collect_garbage(
            Config.model_validate(sections),
            run_dirs=run_dirs,
            older_than_s=older_than_s,
            mode=mode,
            unfinished=unfinished,
        )

    return anyio.run(main)


def places(cleared):
    return [each for each in cleared.leftovers if each.kind == "place"]


def said(cleared):
    (place,) = places(cleared)
    return place.outcome, place.problem or place.verdict.reason


def strangers(kept):
    """Put what is another program's beside the run's own."""
    for key in STRANGERS:
        kept.account.world.objects.put(BUCKET, key, b"theirs", content_type=None, now=0.0)


def test_a_finished_runs_place_goes_and_its_output_and_what_is_others_stays(kept):
    summary = kept.start()
    strangers(kept)
    before = len(kept.stored())
    listed = clean("list")
    (place,) = places(listed)
    assert (place.name, place.run_id, place.endpoint) == (f"{RUNS}one", summary.run_id, "simulated")
    assert (place.outcome, place.verdict.reason, place.count) == ("found", "its run has finished", before - 4)
    assert len(kept.stored()) == before, "a list removes nothing"
    cleared = clean()
    assert said(cleared) == ("removed", "its run has finished")
    assert kept.stored() == sorted(key for key in STRANGERS if key.startswith("runs/"))
    assert (cleared.exit, cleared.unseen, kept.rows()) == (Exit.OK, [], 10)
    assert clean().leftovers == []


def test_another_run_may_begin_there(kept):
    kept.start()
    clean()
    assert kept.start(overwrite=True).rows == 10


@pytest.mark.parametrize(("age_s", "goes"), [(DAY - 60.0, False), (DAY + 60.0, True)])
def test_older_than_counts_by_the_clock_of_s3(kept, age_s, goes):
    kept.start()
    kept.age(age_s)
    assert said(clean(older_than_s=DAY))[0] == ("removed" if goes else "left")
    assert (kept.stored() == []) == goes


@pytest.mark.parametrize("killed", [False, True])
def test_what_an_unfinished_run_has_collected_stays_unless_it_is_given_up(kept, killed):
    place = kept.leave_unfinished()
    if killed:
        kept.kill()
    before = kept.stored()
    cleared = clean(output={"path": kept.output})
    assert f"its run is unfinished: `fanout resume {place.uri}`" in said(cleared)[1]
    assert (kept.stored(), kept.claimed, cleared.exit) == (before, True, Exit.OK)
    cleared = clean(output={"path": kept.output}, unfinished="give up")
    assert {each.kind: each.outcome for each in cleared.leftovers} == {"place": "removed", "claim": "removed"}
    assert (kept.stored(), kept.claimed) == ([], False)


def test_a_run_at_work_is_not_touched(kept):
    kept.leave_unfinished()
    kept.kill(ago_s=1.0)
    objects = kept.account.world.objects
    closing = max(key for key in kept.stored() if "/journal/" in key)
    objects.delete(BUCKET, closing)
    before = kept.stored()
    cleared = clean(unfinished="give up", output={"path": kept.output})
    assert said(cleared) == ("left", f"its run is at work in {RUNS}one")
    assert (kept.stored(), kept.claimed) == (before, True)


def test_a_run_that_is_taken_up_after_it_was_found_keeps_all(kept, monkeypatch):
    place = kept.leave_unfinished()
    kept.kill()
    queues = kept.account.cloud.leftovers.queues

    async def resumed(prefix):
        monkeypatch.setattr(kept.account.cloud.leftovers, "queues", queues)
        await log_of(kept, place).claim(begins=False)
        return await queues(prefix)

    monkeypatch.setattr(kept.account.cloud.leftovers, "queues", resumed)
    cleared = clean(unfinished="give up")
    assert said(cleared) == ("left", f"its run is at work in {place.uri}")
    assert f"{place.prefix}/run.json" in kept.stored()


def test_one_that_wrote_since_and_stopped_again_keeps_all(kept, monkeypatch):
    place = kept.leave_unfinished()
    queues = kept.account.cloud.leftovers.queues

    async def resumed(prefix):
        monkeypatch.setattr(kept.account.cloud.leftovers, "queues", queues)
        log = log_of(kept, place)
        await log.claim(begins=False)
        await log.append(purpose=Purpose.CLOSE)
        return await queues(prefix)

    monkeypatch.setattr(kept.account.cloud.leftovers, "queues", resumed)
    assert said(clean(unfinished="give up")) == ("left", "its run has written there since this was found")
    assert f"{place.prefix}/run.json" in kept.stored()


def log_of(kept, place, *, uptime=None):
    account = kept.account
    return SegmentLog(
        account.cloud.objects,
        place,
        run_id=kept.owner().run_id,
        clock=account.clock,
        uptime=uptime or account.clock.now,
        about=PlaceOwner.here(now=account.clock.now()).about(),
    )


def test_an_owner_that_comes_back_after_its_place_was_given_up_sends_nothing(kept):
    """It finds its next number free: its claim is gone, and with it the run."""
    place = kept.leave_unfinished()
    now = [0.0]
    slept = log_of(kept, place, uptime=lambda: now[0])
    anyio.run(lambda: slept.claim(begins=False))
    kept.kill()
    assert said(clean(unfinished="give up"))[0] == "removed"
    now[0] += 3_600.0

    async def comes_back():
        with pytest.raises(Fenced, match="was given up while this process stood still"):
            await slept.append()
        assert not slept.is_released()

    anyio.run(comes_back)
    assert kept.stored() == [], "what it stored is in the way of no run"


def test_a_run_that_was_killed_before_it_began_goes_once_it_is_silent(kept):
    place = run_place(f"{RUNS}two")
    objects, now = kept.account.world.objects, kept.account.clock.now()
    first = segment(1, Purpose.FIRST, about=replace(PlaceOwner.here(now=now), process=None).about())
    objects.put(*place.segment(1), encode(first), content_type=None, now=now - 44.0)
    assert said(clean()) == ("left", f"its run is at work in {place.uri}")
    objects.put(*place.segment(1), encode(first), content_type=None, now=now - 50.0)
    assert said(clean()) == ("removed", "its run ended before it sent anything")
    assert kept.stored() == []


def test_the_claim_of_a_run_that_was_killed_before_it_began_goes_with_its_place(kept, tmp_path):
    """Its owner has ended on this machine, so that nothing is waited for."""
    place = kept.leave_unfinished()
    owner, objects, now = kept.owner(), kept.account.world.objects, kept.account.clock.now()
    for key in kept.stored():
        objects.delete(BUCKET, key)
    first = segment(1, Purpose.FIRST, run_id=owner.run_id)
    objects.put(*place.segment(1), encode(first), content_type=None, now=now - 50.0)
    note = Note(replace(owner, begun=False), "token", "held", 1)
    objects.put(*kept.claim, note.encode(), content_type=None, now=now - 1.0)
    cleared = clean(output={"path": kept.output})
    assert {each.kind: each.outcome for each in cleared.leftovers} == {"place": "removed", "claim": "removed"}
    assert (kept.stored(), kept.claimed) == ([], False)


@pytest.mark.parametrize("damage", ["segment", "manifest", "no manifest"])
def test_what_cannot_be_read_stays(kept, damage):
    place = kept.leave_unfinished()
    kept.kill()
    objects = kept.account.world.objects
    if damage == "segment":
        objects.delete(*place.manifest)
        last = max(key for key in kept.stored() if "/journal/" in key)
        objects.put(BUCKET, last, b"torn", content_type=None, now=0.0)
    elif damage == "manifest":
        objects.put(*place.manifest, b"{}", content_type=None, now=0.0)
    else:
        objects.delete(*place.manifest)
    before = kept.stored()
    assert f"`fanout status {place.uri}` says why" in said(clean(unfinished="give up"))[1]
    assert kept.stored() == before


def test_another_programs_files_are_no_place(kept):
    strangers(kept)
    objects = kept.account.world.objects
    objects.put(BUCKET, "runs/theirs/run.json", b'{"run": "theirs"}', content_type=None, now=0.0)
    objects.put(BUCKET, "runs/theirs/summary.json", b"{}", content_type=None, now=0.0)
    before = kept.stored()
    assert clean(unfinished="give up").leftovers == []
    assert kept.stored() == before


def test_files_that_were_to_be_kept_stay(kept):
    kept.start(keep_dir=True)
    before = kept.stored()
    assert said(clean(unfinished="give up")) == ("left", "its run was asked to keep its files (run.keep_dir)")
    assert kept.stored() == before


def test_what_else_is_left_of_its_run_goes_first_and_its_place_stays_if_that_cannot(kept, tmp_path):
    """The upload of its output is known by what its place notes of it alone."""
    place = kept.leave_unfinished()
    kept.kill()
    left = LeftBehind(kept.account, tmp_path)
    upload = left.begin("out.parquet")
    objects = kept.account.world.objects
    notes = f'{{"bucket": "{BUCKET}", "key": "out.parquet", "id": "{upload}", "at": 0.0}}\n'
    notes = notes.replace(f'"{upload}"', "null") + notes
    assert parse_uploads(notes.encode()).ids == {(Location(BUCKET, "out.parquet"), upload)}
    objects.put(*place.uploads, notes.encode(), content_type=None, now=0.0)
    abort = kept.account.cloud.leftovers.abort

    async def refused(_upload):
        raise CallError(Phase.REPLY, "AccessDenied", status=403)

    kept.account.cloud.leftovers.abort = refused
    cleared = clean(unfinished="give up")
    assert cleared.exit == Exit.PRECONDITION
    assert said(cleared) == ("left", "what else is left of its run could not be removed")
    kept.account.cloud.leftovers.abort = abort
    cleared = clean(unfinished="give up")
    assert {each.kind: each.outcome for each in cleared.leftovers}["upload"] == "removed"
    assert (left.everything()[3], kept.stored()) == ([], [])


def test_of_another_endpoint_is_not_meant(kept):
    kept.start()
    assert clean(endpoint={"name": "other"}).leftovers == []
    assert said(clean(endpoint={"name": "simulated"}))[0] == "removed"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("list", f"places below {RUNS} could not be seen: grant s3:ListBucket."),
        ("get", f"{RUNS}one stays: it could not be read: grant s3:GetObject."),
    ],
)
def test_what_may_not_be_seen_is_said(kept, monkeypatch, operation, words):
    kept.start()
    objects = kept.account.cloud.objects
    denied = CallError(Phase.REPLY, "AccessDenied", status=403)
    call = getattr(objects, operation)

    async def listing(bucket, prefix, **more):
        if prefix.startswith("runs/"):
            raise denied
        async for page in call(bucket, prefix, **more):
            yield page

    async def refused(*_arguments, **_more):
        raise denied

    monkeypatch.setattr(objects, operation, listing if operation == "list" else refused)
    cleared = clean()
    assert (cleared.unseen, places(cleared), cleared.exit) == ([words], [], Exit.OK)


def test_what_may_not_be_removed_is_said(kept, monkeypatch):
    kept.start()

    async def refused(locations):
        return list(locations)

    monkeypatch.setattr(kept.account.cloud.objects, "delete", refused)
    cleared = clean()
    assert "could not be deleted: grant s3:DeleteObject" in said(cleared)[1]
    assert cleared.exit == Exit.PRECONDITION


@pytest.mark.parametrize(
    ("named", "own", "found"),
    [
        ([], None, []),
        ([], "s3://b/runs/", ["s3://b/runs/"]),
        ([], "s3://b/runs/one", ["s3://b/runs/one/"]),
        ([], "here/", []),
        (["here", "s3://b/x"], "s3://b/x/", ["s3://b/x/"]),
        ([], "s3://b/runs/{date:%Y/%m}", ["s3://b/runs/"]),
        ([], "s3://b/runs/night-{date}", ["s3://b/runs/night-"]),
        (["s3://b"], None, ["s3://b/"]),
    ],
)
def test_where_places_are_looked_for(named, own, found):
    assert prefixes_of(named, Config.model_validate({"run": {"dir": own}})) == found


def test_a_prefix_without_a_bucket_is_refused():
    with pytest.raises(UsageError, match="names no bucket"):
        prefixes_of(["s3:///runs"], Config())


def test_places_of_a_schedule_are_found_at_any_depth(kept):
    kept.named = f"s3://{BUCKET}/runs/2026/11/30"
    kept.start()
    cleared = clean(run_dirs=(), run={"dir": f"{RUNS}{{date:%Y/%m/%d}}"})
    assert [each.name for each in places(cleared)] == [kept.named]
    assert kept.stored() == []


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_clean_up_that_breaks_off_can_be_done_again(kept, after):
    """Also where the journal is half gone, and cannot be read any more."""
    place = kept.leave_unfinished()
    kept.kill()
    objects = kept.account.world.objects
    objects.delete(*place.segment(2))
    delete = kept.account.cloud.objects.delete
    calls = []

    async def breaks_off(locations):
        calls.append(locations)
        if len(calls) == after:
            raise CallError(Phase.REPLY, "AccessDenied", status=403)
        return await delete(locations)

    kept.account.cloud.objects.delete = breaks_off
    assert said(clean(unfinished="give up"))[0] == "left"
    kept.account.cloud.objects.delete = delete
    kept.age(3_600.0)
    assert said(clean(unfinished="give up"))[0] == "removed"
    assert kept.stored() == []
