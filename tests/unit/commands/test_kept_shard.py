"""Shards of a run whose state is kept in S3, on hosts that share nothing else, and their merge; AWS in memory."""

from __future__ import annotations

import io
import json
import os

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.in_memory import in_memory

from fanout.commands import kept_shard, leftovers
from fanout.commands.cancel_place import cancel_at
from fanout.commands.discard_place import discard_place
from fanout.commands.export import export_place
from fanout.commands.find_place import looking
from fanout.commands.gc import collect_garbage
from fanout.commands.merge_place import merge_place, merge_some_at
from fanout.commands.new_run import start_run
from fanout.commands.place_status import status_of
from fanout.commands.resume import resume_place
from fanout.commands.run import run_job
from fanout.config.model import Config
from fanout.errors import Exit, InputError, Interrupted, JournalError, UsageError
from fanout.rundir.shard_plan import parse_plan
from fanout.runtime.place import sign_of_life
from fanout.runtime.place.run_place import run_place
from fanout.runtime.place.sign_of_life import PlaceInUse
from fanout.shards import kept_planning, kept_shards, kept_slots
from fanout.simulator.ports.objects import MemoryObjects
from fanout.simulator.settings import SimulatorSettings

BUCKET = "simulated"
PLACE = run_place(f"s3://{BUCKET}/runs/one")
SAME = ["row", "id", "n", "status", "transport", "payload_bytes", "error_code", "attempts", "resends"]


@pytest.fixture(autouse=True)
def account(monkeypatch):
    return in_memory(monkeypatch)


@pytest.fixture
def job(account, tmp_path):
    lines = [json.dumps({"n": n, "text": "x" * (n % 7)}) for n in range(40)]
    lines[13] = "not json"
    for name, few in (("a", lines[:22]), ("b", lines[22:])):
        body = "\n".join(few).encode()
        account.world.objects.put(BUCKET, f"in/{name}.jsonl", body, content_type=None, now=1.0)

    def make(shard=None, *, of=4, **sections):
        run = {
            "dir": PLACE.uri,
            "shard": None if shard is None else f"{shard}/{of}",
            "scratch": str(tmp_path / f"host-{shard}"),
        }
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [f"s3://{BUCKET}/in/"]},
            "columns": {"keep": ["n?"], "id": "n?"},
            "output": {"path": f"s3://{BUCKET}/out/all.parquet"},
        }
        return Config.model_validate(standard | sections | {"run": run | sections.get("run", {})})

    return make


def run(config):
    return anyio.run(run_job, config)


def merge(**more):
    async def main():
        return await merge_place(PLACE, session=Config(), **more)

    return anyio.run(main)


def status():
    async def main():
        async with looking(Config()) as session:
            return await status_of(session, PLACE, Config())

    return anyio.run(main)


def keys(account, prefix=PLACE.below):
    return [key for key, _ in account.world.objects.list(BUCKET, prefix, start_after="").entries]


def fetched(account, path):
    path.write_bytes(account.world.objects.get(BUCKET, "out/all.parquet").body)
    return pq.read_table(path)


@pytest.mark.parametrize("of", [1, 3, pytest.param(8, marks=pytest.mark.campaign)])
def test_on_hosts_that_share_no_disk_one_output_comes_of_them_as_of_one_process(job, account, tmp_path, of):
    one = job(output={"path": str(tmp_path / "one.parquet")}, run={"dir": None})
    alone = anyio.run(start_run, one)
    for index in reversed(range(of)):
        summary = run(job(index, of=of))
        assert summary.run_dir == PLACE.shard(index).uri
        assert not any((tmp_path / f"host-{index}").rglob("*.parquet")), "scratch ends with its process"
    assert status().next == f"fanout merge {PLACE.uri}"
    merged = merge()
    tables = pq.read_table(tmp_path / "one.parquet"), fetched(account, tmp_path / "all.parquet")
    assert tables[0].schema.equals(tables[1].schema)
    assert tables[0].select(SAME).equals(tables[1].select(SAME))
    (said,) = [text for text in tables[1]["error_message"].to_pylist() if text]
    if of > 1:
        assert ", row 13: " in said, said
    for name in ("rows", "by_status", "by_transport", "errors", "payload_bytes", "endpoint", "simulated"):
        assert getattr(alone, name) == getattr(merged, name), name
    assert (merged.run_dir, merged.output) == (PLACE.uri, f"s3://{BUCKET}/out/all.parquet")
    assert merge() == merged, "once more, nothing is done"
    assert status().state == "finished"
    assert not [key for key in keys(account) if "/parts/" in key]


def test_an_output_on_the_machine_that_merges(job, tmp_path):
    path = str(tmp_path / "here.parquet")
    for index in range(2):
        run(job(index, of=2, output={"path": path}))
    assert merge().rows == 40
    assert pq.read_metadata(path).num_rows == 40
    with pytest.raises(UsageError, match=r"here\.parquet exists"):
        run(job(0, of=2, output={"path": path}, run={"dir": f"s3://{BUCKET}/runs/two"}))


def test_a_shard_that_has_finished_is_left_alone(job, account):
    first = run(job(1))
    sent = len(account.world.log)
    again = run(job(1))
    assert (again.rows, again.by_status) == (first.rows, first.by_status)
    assert len(account.world.log) == sent


def test_shards_that_start_together_look_at_the_input_once(job, account, monkeypatch):
    """A thousand hosts that start at once would each list the input, and read the beginning or footer of each file."""
    looks, original = [], kept_shard.draft_plan

    async def noting(*arguments):
        looks.append(arguments)
        return await original(*arguments)

    monkeypatch.setattr(kept_shard, "draft_plan", noting)
    monkeypatch.setattr(kept_planning, "LOOK_S", 0.02)

    async def main():
        async with anyio.create_task_group() as tasks:
            for index in range(3):
                tasks.start_soon(run_job, job(index, of=3))

    anyio.run(main)
    assert len(looks) == 1
    assert merge().rows == 40


def test_of_an_input_in_s3_all_shards_together_read_hardly_more_than_there_is(job, account, monkeypatch):
    """Plan, footers and row groups, as the account is asked for them: 64 KiB for each shard was more than that."""
    sink = io.BytesIO()
    text = [os.urandom(8_000).hex() for _ in range(320)]
    pq.write_table(pa.table({"n": range(320), "text": text}), sink, row_group_size=4, use_dictionary=False)
    body, asked = sink.getvalue(), []
    account.world.objects.put(BUCKET, "lake/one.parquet", body, content_type=None, now=1.0)
    original = MemoryObjects.read

    async def read(self, location, *, start, size_bytes, etag):
        if location.key == "lake/one.parquet":
            asked.append(min(size_bytes, len(body) - start))
        return await original(self, location, start=start, size_bytes=size_bytes, etag=etag)

    monkeypatch.setattr(MemoryObjects, "read", read)
    lake = {"input": {"paths": [f"s3://{BUCKET}/lake/"]}, "payload": {"column": "text"}}
    assert sum(run(job(index, of=3, **lake)).rows for index in range(3)) == 320
    assert len(body) < sum(asked) <= 1.02 * len(body)


@pytest.fixture
def tiny(account, monkeypatch):
    """Forty Parquet files of 16 KB in S3, and what S3 was asked for of them and of the footers beside the plan."""
    asked = {}
    for number in range(40):
        sink = io.BytesIO()
        table = pa.table({"n": [number] * 2, "text": [os.urandom(4_000).hex() for _ in range(2)]})
        pq.write_table(table, sink, use_dictionary=False, compression="none", write_statistics=["n"])
        key = f"lake/{number:03d}.parquet"
        account.world.objects.put(BUCKET, key, sink.getvalue(), content_type=None, now=1.0)
    original = MemoryObjects.read

    async def read(self, location, *, start, size_bytes, etag):
        body = await original(self, location, start=start, size_bytes=size_bytes, etag=etag)
        folder = "plan" if location.key.endswith("/plan.json") else location.key.partition("/")[0]
        asked[folder] = asked.get(folder, 0) + len(body)
        return body

    monkeypatch.setattr(MemoryObjects, "read", read)
    return asked


LAKE = {
    "input": {"paths": [f"s3://{BUCKET}/lake/"]},
    "columns": {"keep": ["n"]},
    "payload": {"column": "text"},
}


def test_of_tiny_files_in_s3_shards_read_no_footer_that_the_plan_was_made_by(job, account, tiny):
    assert sum(run(job(index, of=3, **LAKE)).rows for index in range(3)) == 80
    size = sum(len(entry.body) for _, entry in account.world.objects.list(BUCKET, "lake/").entries)
    assert tiny["lake"] > 0.99 * size
    assert 0 < tiny["runs"] < 0.01 * size
    assert sum(tiny.values()) <= 1.02 * size, "it was 1.08 times"
    discard_place(PLACE, config=job(), agree=lambda _: None)
    assert keys(account) == []


def test_without_the_footers_beside_the_plan_shards_read_those_of_the_files(job, account, tiny):
    run(job(0, of=3, **LAKE))
    account.world.objects.put(*PLACE.footers, b"another run's", content_type=None, now=2.0)
    before = tiny["lake"]
    run(job(1, of=3, **LAKE))
    account.world.objects.delete(*PLACE.footers)
    run(job(2, of=3, **LAKE))
    assert merge().by_status == {"succeeded": 80}
    assert tiny["lake"] - before > 2 * before / 3 * 0.98


def test_a_tiny_file_that_has_changed_since_the_plan_is_refused(job, account, tiny):
    run(job(0, of=3, **LAKE))
    body = account.world.objects.get(BUCKET, "lake/001.parquet").body
    account.world.objects.put(BUCKET, "lake/039.parquet", body, content_type=None, now=5.0)
    with pytest.raises(InputError, match=r"s3://simulated/lake/039\.parquet: changed"):
        run(job(2, of=3, **LAKE))


def test_it_goes_on_where_a_lost_host_was(job, account, monkeypatch):
    """The shard's process ends after its rows are durable, and before it has said so."""

    async def lost(*_):
        raise RuntimeError("the host is gone")

    with monkeypatch.context() as patch:
        patch.setattr(kept_shard, "note_result", lost)
        with pytest.raises(RuntimeError):
            run(job(0, of=2))
    sent = len(account.world.log)
    assert sent
    assert run(job(0, of=2, run={"scratch": None})).rows
    assert len(account.world.log) == sent, "nothing was sent again"


def unended(account, shard):
    """Have the shard's process of before be one that has not said that it ended, and was not of this machine."""
    world = account.world
    world.objects.delete(BUCKET, shard.subtotal.key)
    world.objects.delete(BUCKET, max(key for key in keys(account, shard.journal)))
    status = json.loads(world.objects.get(*shard.status).body)
    status["owner"] |= {"host": "elsewhere", "process": None}
    body = json.dumps(status).encode()
    world.objects.put(*shard.status, body, content_type=None, now=account.clock.now())


def test_two_machines_on_one_shard(job, account, monkeypatch):
    monkeypatch.setattr(sign_of_life, "WATCH_S", 0.02)
    run(job(1))
    world, shard = account.world, PLACE.shard(1)
    unended(account, shard)
    looks, look = [], sign_of_life.last_write

    async def writes_meanwhile(objects, where, *, clock):
        looks.append(where)
        if len(looks) == 2:
            body = world.objects.get(*shard.status).body
            world.objects.put(*shard.status, body, content_type=None, now=account.clock.now() + 2.0)
        return await look(objects, where, clock=clock)

    monkeypatch.setattr(sign_of_life, "last_write", writes_meanwhile)
    with pytest.raises(PlaceInUse, match=r"s3://simulated/runs/one/shards/001 is in use by") as caught:
        run(job(1))
    assert caught.value.exit is Exit.JOURNAL


def test_a_shard_that_another_process_begins_meanwhile_is_in_use(job, account, monkeypatch):
    """No code that tells a scheduler that no start will do better: it is another's for now."""
    run(job(0))
    body = account.world.objects.get(*PLACE.shard(0).manifest).body
    original = kept_shard.kept_shard_spec

    async def late(objects, place, plan, index, directory, **more):
        spec = await original(objects, place, plan, index, directory, **more)
        account.world.objects.put(*PLACE.shard(1).manifest, body, content_type=None, now=account.clock.now())
        return spec

    monkeypatch.setattr(kept_shard, "kept_shard_spec", late)
    with pytest.raises(PlaceInUse, match="shards/001 was begun by another process just now"):
        run(job(1))


def test_one_that_ends_while_it_is_watched_has_finished_the_shard(job, account, monkeypatch):
    monkeypatch.setattr(sign_of_life, "WATCH_S", 0.02)
    run(job(1))
    world, shard = account.world, PLACE.shard(1)
    subtotal = world.objects.get(*shard.subtotal).body
    unended(account, shard)
    sent, look = len(account.world.log), sign_of_life.last_write

    async def ends_meanwhile(objects, where, *, clock):
        found = await look(objects, where, clock=clock)
        if not any(info == shard.subtotal.key for info in keys(account)):
            world.objects.put(*shard.subtotal, subtotal, content_type=None, now=account.clock.now())
            return found
        return None

    monkeypatch.setattr(sign_of_life, "last_write", ends_meanwhile)
    assert run(job(1)).rows
    assert len(account.world.log) == sent


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"of": 8}, "one of 8, and the run in s3://simulated/runs/one is divided into 4"),
        ({"pacing": {"rate": 5}}, "pacing.rate differ from what the first shard"),
        ({"output": {"path": f"s3://{BUCKET}/out/other.parquet"}}, "output.path differ"),
    ],
)
def test_shards_that_disagree_are_refused(job, sections, words):
    run(job(0))
    with pytest.raises(UsageError, match=words):
        run(job(1, **sections))
    assert run(job(1, run={"grace_s": 3})).rows


def test_a_place_of_another_kind_or_version_is_refused(job, account):
    anyio.run(start_run, job(run={"shard": None}))
    with pytest.raises(UsageError, match="holds a run of one process: name another place"):
        run(job(0, output={"path": f"s3://{BUCKET}/out/other.parquet"}))
    with pytest.raises(UsageError, match=r"holds no run of several shards: there is no s3://.*/plan\.json"):
        merge()
    account.world.objects.put(*PLACE.plan, b'{"version": 99}', content_type=None, now=1.0)
    for go in (lambda: run(job(0)), merge):
        with pytest.raises(JournalError, match=r"plan\.json was written by another version"):
            go()


def test_a_merge_names_what_is_missing_and_what_there_is_can_be_written(job, tmp_path):
    run(job(0))
    run(job(2))
    with pytest.raises(Interrupted) as caught:
        merge()
    text = str(caught.value)
    assert "2 of 4 shards have not finished (shard 1 was not started: --shard 1/4," in text
    assert f"do all of them here: `fanout resume {PLACE.uri}`" in text

    async def partly():
        return await merge_some_at(PLACE, str(tmp_path / "some.parquet"), session=Config())

    written, missing = anyio.run(partly)
    assert missing == [1, 3]
    assert pq.read_table(tmp_path / "some.parquet")["row"].to_pylist() == list(range(written.rows))
    path = str(tmp_path / "exported.parquet")
    assert export_place(PLACE, path, overwrite=False, session=Config()) == written.rows
    found = status()
    assert (found.state, found.rows, found.shard_count, len(found.shards)) == ("stopped", written.rows, 4, 2)
    assert found.next == f"fanout resume {PLACE.uri}"


def test_a_shard_of_another_plan_is_refused_by_the_merge(job, account):
    for index in range(4):
        run(job(index))
    content = json.loads(parse_plan(account.world.objects.get(*PLACE.plan).body, "plan.json").dump())
    content["shards"][2]["run"] = "zzzzzzzzzz"
    account.world.objects.put(*PLACE.plan, json.dumps(content).encode(), content_type=None, now=1.0)
    with pytest.raises(
        JournalError, match=r"002 holds run .*, and s3://.* says zzzzzzzzzz: it is of another plan"
    ):
        merge()


def test_an_object_that_has_changed_since_the_plan_is_refused(job, account):
    run(job(0))
    account.world.objects.put(BUCKET, "in/b.jsonl", b'{"n": 1}', content_type=None, now=5.0)
    with pytest.raises(InputError, match=r"s3://simulated/in/b\.jsonl: changed"):
        run(job(3))


def test_a_cancelled_run_starts_no_shard(job, account, monkeypatch):
    run(job(0))

    async def go():
        async with looking(Config()) as session:
            return await cancel_at(session, PLACE)

    found = anyio.run(go)
    assert (found.finished, found.running, found.shards) == (1, 0, 4)
    with pytest.raises(UsageError, match=r"was cancelled: `fanout resume s3://.*` goes on with it"):
        run(job(1))
    assert status().reason == "cancelled"
    account.world.objects.delete(BUCKET, PLACE.cancel.key)
    for index in (1, 2, 3):
        run(job(index))
    merge()
    with pytest.raises(UsageError, match="has finished: there is nothing to stop"):
        anyio.run(go)


def test_a_cancellation_reaches_a_shard_at_work(job, account, monkeypatch):
    given = {key: account.world.objects.get(BUCKET, key).body for key in keys(account, "in/")}
    account = in_memory(monkeypatch, SimulatorSettings(instances=0, cold_start_s=3600.0))
    for key, body in given.items():
        account.world.objects.put(BUCKET, key, body, content_type=None, now=1.0)
    monkeypatch.setattr(kept_shards, "LOOK_S", 0.05)

    async def main():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_job, job(0, run={"grace_s": 0.2}))
            while not account.world.log:
                await anyio.sleep(0.01)
            async with looking(Config()) as session:
                await cancel_at(session, PLACE)

    with pytest.RaisesGroup(
        pytest.RaisesExc(Interrupted, match=r"cancelled.*fanout resume s3://simulated/runs/one`")
    ):
        anyio.run(main)


def test_fewer_at_once_wait_for_a_slot_which_is_an_object(job, account, monkeypatch, caplog):
    monkeypatch.setattr(kept_slots, "LOOK_S", 0.02)
    at_once = {"run": {"at_once": 1}}
    run(job(0, **at_once))
    assert not keys(account, PLACE.slots), "it is let go of at the end"

    async def main():
        async with looking(Config()) as session:
            objects, clock = session.cloud.objects, session.clock
            async with kept_slots.kept_slot(
                objects, PLACE, run_id="abcdefghij", slots=1, first=0, clock=clock
            ):
                sent = len(account.world.log)
                with anyio.move_on_after(0.5):
                    await run_job(job(1, **at_once))
                assert len(account.world.log) == sent
        await run_job(job(1, **at_once))

    anyio.run(main)
    assert "1 shards are at work already" in caplog.text


def test_a_slot_of_an_owner_that_is_silent_is_another_ones(account):
    async def main():
        async with looking(Config()) as session:
            objects, clock, now = session.cloud.objects, session.clock, [0.0]

            def slot(run_id):
                return kept_slots.kept_slot(
                    objects, PLACE, run_id=run_id, slots=2, first=1, clock=Jumps(), uptime=lambda: now[0]
                )

            class Jumps:
                def now(self):
                    return clock.now()

                async def sleep(self, seconds):
                    now[0] += seconds
                    if now[0] > 50:  # S3 has it that the first is 50 s old, too
                        body = account.world.objects.get(BUCKET, f"{PLACE.slots}001.fanout-claim").body
                        account.world.objects.put(
                            BUCKET, f"{PLACE.slots}001.fanout-claim", body,
                            content_type="application/json", now=clock.now() - 50,
                        )  # fmt: skip

            first, second, third = slot("aaaaaaaaaa"), slot("bbbbbbbbbb"), slot("cccccccccc")
            held = [await each.__aenter__() for each in (first, second)]
            assert [number for number, _ in held] == [1, 0]
            assert (await third.__aenter__())[0] == 1
            assert now[0] >= 45.0
            await third.__aexit__(None, None, None)
            # The owner that was silent has lost it for good.
            with pytest.raises(JournalError, match="is no longer this run's"):
                await held[0][1].renew()

    anyio.run(main)


def test_it_is_given_up_with_all_its_shards(job, account):
    run(job(0))
    run(job(1))
    discard_place(PLACE, config=job(), agree=lambda _: None)
    assert keys(account) == []
    assert not keys(account, "out/")


def test_what_is_left_is_finished_on_one_machine_when_all_shards_are(job, account):
    """Without a process of its own for each, that is: which shards those do is tested with them."""
    for index in range(4):
        run(job(index))

    async def main():
        return await resume_place(PLACE, session=Config())

    assert anyio.run(main).rows == 40
    assert status().state == "finished"


def test_a_clean_up_fences_each_shard_of_an_unfinished_run_and_takes_its_place_away(
    job, account, monkeypatch
):
    run(job(1))
    fenced, fence = [], leftovers.fence

    async def noting(objects, place, **more):
        fenced.append(place)
        return await fence(objects, place, **more)

    monkeypatch.setattr(leftovers, "fence", noting)
    at = account.clock.now() - 3_600.0
    objects = account.world.objects
    for key, _ in objects.list(BUCKET, PLACE.below).entries:
        objects.put(BUCKET, key, objects.find(BUCKET, key).body, content_type=None, now=at)

    async def clean():
        return await collect_garbage(
            Config(), run_dirs=[PLACE.uri], older_than_s=0.0, mode="delete", unfinished="give up"
        )

    (found,) = [each for each in anyio.run(clean).leftovers if each.kind == "place"]
    assert (found.outcome, found.problem) == ("removed", None)
    assert PLACE.shard(1) in fenced
    assert objects.list(BUCKET, PLACE.below).entries == []
