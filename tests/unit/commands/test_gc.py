"""A clean-up of an account in memory: what of runs that are gone goes, what stays, and what is said of the rest."""

from __future__ import annotations

import os
import shutil
from contextlib import closing, contextmanager

import anyio
import pytest
from support.in_memory import in_memory
from support.left_behind import BUCKET, ENDPOINT, LeftBehind

from fanout.commands import leftovers as removal
from fanout.commands.gc import age_s, collect_garbage
from fanout.commands.judging import KEPT, NOT_NOTED
from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.queues import queue_name
from fanout.errors import Exit, RunError, UsageError
from fanout.rundir.journal import Journal
from fanout.simulator.errors import ServiceError
from fanout.simulator.settings import SimulatorSettings

DAY = 86_400.0
PREFIX = f"s3://{BUCKET}/inputs"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(removal, "NEW_QUEUE_S", 0.0)
    return tmp_path


@pytest.fixture
def left(here, monkeypatch):
    return LeftBehind(in_memory(monkeypatch), here)


def clean(mode="delete", *, older_than_s=0.0, endpoint=None, prefix=PREFIX, run_dirs=()):
    config = Config.model_validate({"endpoint": {"name": endpoint}, "transport": {"input_prefix": prefix}})

    async def main():
        return await collect_garbage(
            config, run_dirs=[str(each) for each in run_dirs], older_than_s=older_than_s, mode=mode
        )

    return anyio.run(main)


def test_all_of_a_dead_run_in_sight_goes_at_once_and_its_directory_stays(left):
    run = left.run()
    listed = clean("list")
    assert sorted((each.kind, each.run_id, each.outcome) for each in listed.leftovers) == sorted(
        (kind, run, "found")
        for kind in ("queue", "subscription", "subscription", "inputs", "upload", "upload")
    )
    assert all(each.verdict.gone and each.endpoint == ENDPOINT for each in listed.leftovers)
    assert left.remains(run) == 6, "a list removes nothing"
    cleared = clean()
    assert {each.outcome for each in cleared.leftovers} == {"removed"}
    assert (left.remains(run), cleared.exit, cleared.unseen) == (0, Exit.OK, [])
    assert left.directory(run).manifest.exists(), "what it has collected is the person's"
    assert clean().leftovers == []


def test_a_run_at_work_keeps_all_of_it(left):
    run = left.run(silent_s=9 * DAY)
    with closing(Journal(left.directory(run).journal)):
        cleared = clean()
    assert {each.outcome for each in cleared.leftovers} == {"left"}
    assert all("at work" in each.verdict.reason for each in cleared.leftovers)
    assert (left.remains(run), cleared.exit) == (6, Exit.OK)


@pytest.mark.parametrize(("silent_s", "goes"), [(0.0, False), (890.0, False), (910.0, True)])
def test_a_run_out_of_sight_is_gone_after_fifteen_minutes_of_silence(left, silent_s, goes):
    run = left.run(silent_s=silent_s, directory=False)
    clean()
    # An upload to its output's place cannot be told from another program's without its directory.
    assert left.remains(run) == (1 if goes else 6)


def test_a_run_that_speaks_up_after_it_was_found_keeps_all(left, monkeypatch):
    run = left.run(silent_s=DAY, directory=False)
    cloud = left.account.cloud
    uploads = cloud.leftovers.uploads

    async def renewed(*arguments):
        await cloud.control.renew_run_queue(f"x/{queue_name(run)}")
        return await uploads(*arguments)

    monkeypatch.setattr(cloud.leftovers, "uploads", renewed)
    cleared = clean()
    assert {each.verdict.reason for each in cleared.leftovers} == {
        "its run has shown a sign of life since this was found"
    }
    assert (left.remains(run), cleared.exit) == (6, Exit.OK)


def test_a_run_that_is_taken_up_after_it_was_found_keeps_all(left, monkeypatch):
    run = left.run()
    uploads = left.account.cloud.leftovers.uploads
    taken_up = []

    async def resumed(*arguments):
        taken_up.append(Journal(left.directory(run).journal))
        monkeypatch.setattr(left.account.cloud.leftovers, "uploads", uploads)
        return await uploads(*arguments)

    monkeypatch.setattr(left.account.cloud.leftovers, "uploads", resumed)
    cleared = clean()
    taken_up[0].close()
    assert all("in use by another process" in each.verdict.reason for each in cleared.leftovers)
    assert (left.remains(run), cleared.exit) == (6, Exit.OK)


def test_a_run_whose_journal_does_not_open_is_not_cleared_away_in_passing(left, monkeypatch):
    run = left.run()
    uploads = left.account.cloud.leftovers.uploads

    async def damaged(*arguments):
        left.directory(run).journal.write_bytes(b"not SQLite" * 1_000)
        return await uploads(*arguments)

    monkeypatch.setattr(left.account.cloud.leftovers, "uploads", damaged)
    assert all("journal.sqlite" in each.verdict.reason for each in clean().leftovers)
    assert left.remains(run) == 6
    # From then on it is out of sight.
    assert {each.verdict.gone for each in clean().leftovers} == {False}


def test_the_local_aws_leaves_nothing(here):
    config = Config.model_validate({"local": {"enabled": True}})
    with pytest.raises(UsageError, match="leaves nothing behind"):
        anyio.run(lambda: collect_garbage(config, run_dirs=(), older_than_s=0.0, mode="list"))


def test_older_than_counts_for_what_is_in_sight_too(left):
    run = left.run(silent_s=9 * DAY)
    clean(older_than_s=DAY)  # its directory was written to just now
    assert left.remains(run) == 6
    for path in (left.directory(run).path, *left.directory(run).path.rglob("*")):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    clean(older_than_s=DAY)
    assert left.remains(run) == 0


def test_a_copy_of_a_run_directory_is_no_sight_of_it(left, here):
    run = left.run()
    directory = left.directory(run).path
    shutil.copytree(directory, here / "copy")
    shutil.move(directory, here / "elsewhere")
    (here / "copy").rename(directory)  # the original may be in use where it is now
    cleared = clean()
    assert {each.verdict.gone for each in cleared.leftovers} == {False}
    assert left.remains(run) == 6


def test_a_run_directory_that_is_named_is_in_sight(left, here, monkeypatch):
    run = left.run()
    (here / "empty").mkdir()
    monkeypatch.chdir(here / "empty")
    clean()
    assert left.remains(run) == 6
    clean(run_dirs=[left.directory(run).path])
    assert left.remains(run) == 0
    run = left.run()
    clean(run_dirs=[here])
    assert left.remains(run) == 0
    with pytest.raises(UsageError, match="not a directory"):
        clean(run_dirs=[here / "nowhere"])


def test_nothing_that_only_looks_like_a_runs_is_touched(left):
    world, looks = left.account.world, new_run()
    for name in (queue_name(looks), "fanout-dead-letters", "theirs", f"x{queue_name(looks)}"):
        world.queues.create(name, {})
    world.topics.subscribe(world.settings.success_topic, world.queues.arn(f"{queue_name(looks)}-01ab9f"))
    elsewhere = f"arn:aws:sqs:us-east-1:210987654321:{queue_name(looks)}"
    left.subscribe(looks, elsewhere)
    keys = [f"inputs/00/{looks}/1", "inputs/00/not-a-run/0", "inputs/readme", f"other/00/{looks}/0"]
    for key in keys:
        left.put(key, age_s=9 * DAY)
        left.begin(key, age_s=9 * DAY)
    before = left.everything()
    cleared = clean()
    assert [(each.kind, each.outcome) for each in cleared.leftovers] == [("queue", "left")]
    assert "no tag fanout:run" in cleared.leftovers[0].verdict.reason
    assert left.everything() == before


def test_an_upload_whose_id_a_kill_kept_from_being_noted_goes_by_its_instant(left):
    run = left.run(notes_id=False)
    clean()
    assert left.remains(run) == 0


@pytest.mark.parametrize("age_s", [60.0, -120.0])
def test_another_upload_to_the_same_place_is_said_and_left(left, age_s):
    run = left.run()
    theirs = left.begin(left.output_key(run), age_s=age_s)
    cleared = clean()
    (stays,) = [each for each in cleared.leftovers if each.outcome == "left"]
    assert (stays.verdict.reason, theirs in stays.name) == (NOT_NOTED, True)
    assert left.remains(run) == 1


@pytest.mark.parametrize(("age_s", "goes"), [(DAY - 60.0, False), (DAY + 60.0, True)])
def test_payloads_of_a_run_without_a_queue_go_after_a_day(left, age_s, goes):
    run = new_run()
    left.put(f"inputs/00/{run}/0", age_s=9 * DAY)
    left.put(f"inputs/01/{run}/1", age_s=age_s)
    clean()
    assert left.remains(run) == (0 if goes else 2)


def test_payloads_of_a_run_whose_queue_lives_stay_however_old_they_are(left):
    run = left.run(silent_s=60.0, directory=False)
    left.put(f"inputs/07/{run}/7", age_s=9 * DAY)
    clean()
    assert left.remains(run) == 7


def test_payloads_that_a_run_was_asked_to_keep_stay(left):
    run = left.run(keep_inputs=True)
    cleared = clean()
    (stays,) = [each for each in cleared.leftovers if each.outcome == "left"]
    assert (stays.kind, stays.verdict, stays.count) == ("inputs", KEPT, 1)
    assert left.remains(run) == 1


def test_payloads_are_looked_at_only_where_a_prefix_is_named(left):
    run = left.run()
    assert {each.kind for each in clean("list", prefix=None).leftovers} == {"queue", "subscription", "upload"}
    assert len([each for each in clean("list", prefix=None).leftovers if each.kind == "upload"]) == 1
    assert left.remains(run) == 6


def test_another_endpoints_runs_are_not_meant(left):
    ours, theirs = left.run(), left.run(endpoint="theirs")
    unseen = new_run()
    left.put(f"inputs/00/{unseen}/0", age_s=9 * DAY)
    cleared = clean(endpoint=ENDPOINT)
    assert (left.remains(ours), left.remains(theirs), left.remains(unseen)) == (0, 6, 1)
    (untold,) = [each for each in cleared.leftovers if each.run_id == unseen]
    assert untold.verdict.reason == "nothing tells of which endpoint its run is"
    assert not [each for each in cleared.leftovers if each.run_id == theirs]
    clean(endpoint="gone-by-now")
    assert left.remains(theirs) == 6
    clean(endpoint="theirs")
    assert left.remains(theirs) == 0


def test_a_subscription_whose_queue_is_gone_goes_by_its_filter(left):
    run = left.run(directory=False)
    left.account.world.queues.delete(queue_name(run))
    clean(prefix=None)
    assert left.subscriptions(run) == []


def test_a_queue_that_was_only_not_to_be_seen_yet_keeps_its_subscription(left, monkeypatch):
    run = left.run(directory=False, silent_s=DAY)
    finds = left.account.cloud.leftovers
    queues = finds.queues

    async def late(prefix):
        urls, now = await queues(prefix)
        return ([], now) if prefix == "fanout-" else (urls, now)

    monkeypatch.setattr(finds, "queues", late)
    cleared = clean(prefix=None)
    assert {each.problem for each in cleared.leftovers} == {"its queue is there after all"}
    assert len(left.subscriptions(run)) == 2


@contextmanager
def denied(account, *operations):
    before = account.world.faults.permit

    def permit(operation):
        if operation in operations:
            raise ServiceError(403, "AccessDenied", "no")
        before(operation)

    account.world.faults.permit = permit
    try:
        yield
    finally:
        account.world.faults.permit = before


@pytest.mark.parametrize(
    ("operation", "said", "remaining"),
    [
        ("ListQueues", "queues could not be seen: grant sqs:ListQueues.", 3),
        ("ListSubscriptions", "subscriptions could not be seen: grant sns:ListSubscriptions.", 2),
        ("ListQueueTags", "tags of queues could not be seen: grant sqs:ListQueueTags.", 0),
        ("ListObjectsV2", "uploaded payloads could not be seen: grant s3:ListBucket.", 1),
        (
            "ListMultipartUploads",
            "unfinished uploads could not be seen: grant s3:ListBucketMultipartUploads.",
            2,
        ),
    ],
)
def test_what_may_not_be_seen_is_said_and_the_rest_is_cleared(left, operation, said, remaining):
    run = left.run()
    with denied(left.account, operation):
        cleared = clean()
    assert (list(cleared.unseen), cleared.exit) == ([said], Exit.OK)
    assert left.remains(run) == remaining


def test_a_queue_out_of_sight_whose_tags_may_not_be_read_stays(left):
    run = left.run(directory=False, silent_s=9 * DAY)
    with denied(left.account, "ListQueueTags"):
        clean(prefix=None)
    assert left.remains(run) == 6


def test_who_may_see_nothing_is_told_so(left):
    listings = ("ListQueues", "ListSubscriptions", "ListObjectsV2", "ListMultipartUploads")
    with (
        denied(left.account, *listings),
        pytest.raises(RunError, match="nothing could be looked at") as caught,
    ):
        clean()
    assert caught.value.exit == Exit.PRECONDITION


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        ("DeleteQueue", "sqs:DeleteQueue"),
        ("Unsubscribe", "sns:Unsubscribe"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
        ("DeleteObjects", "s3:DeleteObject"),
    ],
)
def test_what_may_not_be_removed_is_said_and_the_rest_goes(left, operation, right):
    run = left.run()
    with denied(left.account, operation):
        cleared = clean()
    problems = {each.problem for each in cleared.leftovers if each.outcome == "left"}
    assert problems
    assert all(f"Grant {right}" in problem for problem in problems), problems
    assert cleared.exit == Exit.PRECONDITION
    assert left.remains(run) == len([each for each in cleared.leftovers if each.outcome == "left"])


def test_a_bucket_that_is_not_there_is_a_mistake(left):
    with pytest.raises(RunError, match="NoSuchBucket"):
        clean(prefix="s3://nowhere/inputs")


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0.0), ("90s", 90.0), ("15m", 900.0), ("12h", 43_200.0), ("1d", DAY)]
)
def test_ages_are_read(text, seconds):
    assert age_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "d", "-1d", "1.5h", "1w", "1d2h"])
def test_what_is_no_age_is_refused(text):
    with pytest.raises(UsageError, match="write 90s, 15m, 12h or 1d"):
        age_s(text)


def test_as_json_it_says_the_same(left):
    run = left.run()
    told = clean("list").as_dict()
    assert (told["version"], told["mode"], told["unseen"]) == (1, "list", [])
    (queue,) = [each for each in told["found"] if each["kind"] == "queue"]
    assert queue["name"].endswith(queue_name(run))
    assert {**queue, "name": "", "age_s": 0, "reason": ""} == {
        "kind": "queue", "name": "", "run": run, "endpoint": ENDPOINT, "gone": True, "reason": "", "age_s": 0,
        "count": 1, "size_bytes": None, "outcome": "found",
    }  # fmt: skip


def test_settings_of_the_simulator_are_the_defaults():
    assert SimulatorSettings().endpoint_name == ENDPOINT


def test_runs_that_are_kept_in_s3_are_in_sight_where_their_prefix_is_named(left, here, monkeypatch):
    """One that has just written keeps all; one that has stopped is gone at once, and its place stays."""
    run = left.run(silent_s=60.0)
    manifest = left.directory(run).manifest.read_bytes()
    shutil.rmtree(left.directory(run).path)
    objects, now = left.account.world.objects, left.account.clock.now()
    put = lambda name, body, age_s: objects.put(  # noqa: E731
        BUCKET, f"runs/{run}/{name}", body, content_type=None, now=now - age_s
    )
    put("run.json", manifest, 600.0)
    put("status.json", b"{}", 1.0)
    clean()
    assert left.remains(run) == 6, "out of sight, it was silent for a minute alone"
    cleared = clean(run_dirs=[f"s3://{BUCKET}/runs/"])
    assert {each.verdict.reason for each in cleared.leftovers} == {
        f"its run is at work in s3://{BUCKET}/runs/{run}"
    }
    put("status.json", b"{}", 60.0)
    clean(run_dirs=[f"s3://{BUCKET}/runs/"])
    # Its uploads to the output's place are noted at its place, which a clean-up does not read.
    assert left.remains(run) == 1
    assert objects.find(BUCKET, f"runs/{run}/run.json") is not None, "what it has collected is the person's"
