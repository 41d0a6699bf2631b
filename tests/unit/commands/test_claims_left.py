"""Claims that runs left, here and in S3: which a clean-up removes, and which it leaves to a run."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from support.in_memory import in_memory
from support.left_behind import BUCKET, LeftBehind

from fanout.commands import claims_left
from fanout.commands.gc import collect_garbage
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.output.object_place import object_place
from fanout.rundir.claim import Owner, claim_path, claimed
from fanout.rundir.journal import Journal
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.claim_note import Note
from fanout.runtime.claim_object import claim_location
from fanout.simulator.errors import ServiceError

DAY = 86_400.0


class Claims:
    """Outputs of one kind, and the claims on them."""

    def __init__(self, kind, account, folder):
        self.kind, self.account, self.folder = kind, account, folder
        folder.mkdir()

    def output(self, name):
        return (
            f"s3://{BUCKET}/out/{name}.parquet" if self.kind == "s3" else str(self.folder / f"{name}.parquet")
        )

    def leave(self, name, *, run=None, directory=None, begun=True, age_s=0.0, state="held"):
        output = self.output(name)
        owner = Owner(run or new_run(), directory, "another-host", 1, 0.0, begun)
        if self.kind == "s3":
            now = self.account.clock.now()
            location = claim_location(object_place(output))
            content = Note(owner, "token", state).encode()
            self.account.world.objects.put(*location, content, content_type=None, now=now - age_s)
        else:
            with claimed(output) as held:
                held.note(owner)
            os.utime(claim_path(output), (time.time() - age_s,) * 2)
        return output

    def there(self, output):
        if self.kind == "s3":
            return bool(
                self.account.world.objects.list(BUCKET, claim_location(object_place(output)).key).entries
            )
        return claim_path(output).exists()


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return in_memory(monkeypatch)


@pytest.fixture(params=["local", "s3"])
def claims(request, account, tmp_path):
    return Claims(request.param, account, tmp_path / "out")


def directory_of(path, run, output, *, state):
    """Make a run directory in some state, and return its path."""
    directory = RunDirectory(path)
    if state == "gone":
        return str(path)
    directory.path.parent.mkdir(exist_ok=True)
    directory.create()
    Journal(directory.journal).close()
    if state == "never begun":
        return str(path)
    config = Config.model_validate(
        {"endpoint": {"name": "simulated"}, "input": {"paths": ["i"]}, "output": {"path": output}}
    )
    Manifest(run, config, "fingerprint", "simulated").write(directory.manifest)
    if state == "finished":
        directory.summary.write_text("{}")
    return str(path)


def clean(claims, mode="delete", *, older_than_s=0.0, endpoint=None, below=None):
    output = f"s3://{BUCKET}/out/" if claims.kind == "s3" else None
    config = Config.model_validate({"endpoint": {"name": endpoint}, "output": {"path": below or output}})

    async def main():
        places = [str(claims.folder / ".fanout")] if claims.kind == "local" else []
        return await collect_garbage(config, run_dirs=places, older_than_s=older_than_s, mode=mode)

    found = anyio.run(main)
    return {each.name: each for each in found.leftovers if each.kind == "claim"}, found


@pytest.mark.parametrize(
    ("state", "age_s", "goes"),
    [
        ("finished", 0.0, True),
        ("never begun", 0.0, True),
        ("unfinished", 9 * DAY, False),
        ("gone", 800.0, False),
        ("gone", 1_000.0, True),
    ],
)
def test_a_claim_goes_where_its_run_is_over_or_long_silent(claims, tmp_path, state, age_s, goes):
    run = new_run()
    output = claims.output("a")
    where = directory_of(tmp_path / "runs" / run, run, output, state=state)
    claims.leave("a", run=run, directory=where, age_s=max(age_s, 60.0 if claims.kind == "s3" else 0.0))
    listed, _ = clean(claims, "list")
    [found] = listed.values()
    assert (found.run_id, found.verdict.gone, claims.there(output)) == (run, goes, True)
    cleared, whole = clean(claims)
    [done] = cleared.values()
    assert (done.outcome, claims.there(output), whole.exit) == ("removed" if goes else "left", not goes, 0)
    if state == "unfinished":
        assert f"`fanout resume {where}`" in done.verdict.reason


def test_a_claim_of_a_run_at_work_stays_however_old_it_is(claims, tmp_path):
    run = new_run()
    where = directory_of(tmp_path / "runs" / run, run, claims.output("a"), state="unfinished")
    output = claims.leave("a", run=run, directory=where, age_s=9 * DAY)
    with closing(Journal(RunDirectory(Path(where)).journal)):
        cleared, _ = clean(claims)
    [found] = cleared.values()
    assert f"at work in {where}" in found.verdict.reason
    assert claims.there(output)


def test_older_than_counts_for_claims(claims):
    output = claims.leave("a", begun=False, age_s=3_600.0)
    assert clean(claims, older_than_s=DAY)[0].popitem()[1].outcome == "left"
    assert claims.there(output)
    clean(claims, older_than_s=3_500.0)
    assert not claims.there(output)


def test_a_claim_of_which_nothing_tells_the_endpoint_stays_where_one_is_named(claims):
    output = claims.leave("a", begun=False, age_s=3_600.0)
    cleared, _ = clean(claims, endpoint="simulated")
    assert "of which endpoint" in cleared.popitem()[1].verdict.reason
    assert claims.there(output)


def test_what_is_no_claim_of_ours_stays_and_is_said(claims):
    output = claims.leave("a", age_s=DAY)
    if claims.kind == "s3":
        location = claim_location(object_place(output))
        claims.account.world.objects.put(*location, b"not JSON", content_type=None, now=0.0)
    else:
        claim_path(output).write_bytes(b"not JSON")
    cleared, whole = clean(claims)
    assert (cleared, claims.there(output)) == ({}, True)
    assert [said for said in whole.unseen if "is damaged" in said]
    later = json.dumps({"version": 99}).encode()
    if claims.kind == "s3":
        claims.account.world.objects.put(*location, later, content_type=None, now=0.0)
    else:
        claim_path(output).write_bytes(later)
    assert [said for said in clean(claims)[1].unseen if "a later version of fanout" in said]
    assert claims.there(output)


def test_a_claim_that_is_taken_while_a_clean_up_looks_stays(claims, monkeypatch):
    output = claims.leave("a", begun=False, age_s=3_600.0)
    remove = claims_left.remove_claim

    async def taken_first(*arguments, **more):
        claims.leave("a", run=new_run(), begun=True)
        return await remove(*arguments, **more)

    monkeypatch.setattr("fanout.commands.leftovers.remove_claim", taken_first)
    cleared, whole = clean(claims)
    [found] = cleared.values()
    assert (found.outcome, claims.there(output), whole.exit) == ("left", True, 4)
    assert "since it was found" in found.problem or "since this was found" in found.problem


def test_an_output_that_is_locked_while_a_clean_up_removes_stays(account, tmp_path):
    claims = Claims("local", account, tmp_path / "out")
    output = claims.leave("a", begun=False, age_s=3_600.0)
    with claimed(output) as held:
        cleared, _ = clean(claims)
        held.note(held.previous)
    assert "in use since this was found" in cleared.popitem()[1].problem
    assert claims.there(output)


def test_a_claim_in_s3_that_is_renewed_is_alive(account, tmp_path):
    claims = Claims("s3", account, tmp_path / "out")
    output = claims.leave("a", directory="/elsewhere/run", age_s=30.0)
    cleared, _ = clean(claims)
    assert "at work" in cleared.popitem()[1].verdict.reason
    assert claims.there(output)


def test_a_released_claim_in_s3_goes_and_a_dataset_s_claim_is_found(account, tmp_path):
    claims = Claims("s3", account, tmp_path / "out")
    released = claims.leave("a", directory="/elsewhere/run", age_s=0.0, state="released")
    dataset = claim_location(object_place(f"s3://{BUCKET}/out/deep/dataset/"))
    note = Note(Owner(new_run(), "/elsewhere/run", "another-host", 1, 0.0, True), "t", "stopped")
    now = account.clock.now()
    account.world.objects.put(*dataset, note.encode(), content_type=None, now=now - 3_600.0)
    cleared, _ = clean(claims)
    assert {each.outcome for each in cleared.values()} == {"removed"}
    assert (len(cleared), claims.there(released)) == (2, False)
    assert account.world.objects.list(BUCKET, "out/").entries == []


def test_a_claim_is_looked_for_beside_the_output_of_each_run_in_sight(account, tmp_path):
    left = LeftBehind(account, tmp_path)
    run = left.run(silent_s=DAY)
    place = object_place(f"s3://{BUCKET}/{left.output_key(run)}")
    note = Note(Owner(run, str(left.directory(run).path), "h", 1, 0.0, True), "t", "held")
    location = claim_location(place)
    account.world.objects.put(*location, note.encode(), content_type=None, now=account.clock.now() - DAY)

    async def main():
        return await collect_garbage(Config(), run_dirs=[], older_than_s=0.0, mode="delete")

    [claim] = [each for each in anyio.run(main).leftovers if each.kind == "claim"]
    assert claim.name == location.uri
    assert "is unfinished" in claim.verdict.reason
    assert (claim.outcome, claim.endpoint) == ("left", "simulated")


def test_claims_that_may_not_be_seen_are_said(account, tmp_path, monkeypatch):
    claims = Claims("s3", account, tmp_path / "out")
    claims.leave("a", age_s=DAY)

    def denied(*_, **__):
        raise ServiceError(403, "AccessDenied", "no")

    monkeypatch.setattr(account.world.objects, "list", denied)
    _, whole = clean(claims)
    assert [said for said in whole.unseen if "claims below" in said and "grant s3:ListBucket" in said]
