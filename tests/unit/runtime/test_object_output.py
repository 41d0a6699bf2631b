"""Outputs in S3: what may be replaced, what a lost reply or another writer does, and what a kill leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.virtual import VirtualClock, run_virtual

from fanout.domain.location import Location
from fanout.errors import CallError, Exit, Phase, RunError, UsageError
from fanout.output.object_place import RUN, object_place
from fanout.runtime.object_output import PART_BYTES, BuiltFile, ObjectOutput
from fanout.simulator.ports.cloud import MemoryCloud
from fanout.simulator.settings import SimulatorSettings
from fanout.simulator.world import World

BUCKET = "simulated"
LOST = CallError(Phase.EXCHANGE, "ConnectionResetError")
CONFLICT = CallError(Phase.REPLY, "ConditionalRequestConflict", status=409)


class Store:
    """The account's object store, whose calls can be made to fail: `after` their effect, or `before` it."""

    def __init__(self, objects):
        self._objects = objects
        self.before: dict[str, list[Exception]] = {}
        self.after: dict[str, list[Exception]] = {}
        self.calls: list[str] = []

    def __getattr__(self, name):
        return getattr(self._objects, name)

    async def around(self, name, call):
        self.calls.append(name)
        if self.before.get(name):
            raise self.before[name].pop(0)
        result = await call()
        if self.after.get(name):
            raise self.after[name].pop(0)
        return result

    async def put(self, *arguments, **more):
        return await self.around("put", lambda: self._objects.put(*arguments, **more))

    async def begin_upload(self, *arguments, **more):
        upload = await self.around("begin", lambda: self._objects.begin_upload(*arguments, **more))
        complete = upload.complete
        upload.complete = lambda: self.around("complete", complete)
        return upload


class Account:
    def __init__(self, **settings):
        self.world = World(SimulatorSettings.model_validate(settings), now=0.0)
        self.clock = VirtualClock()
        self.store = Store(MemoryCloud(self.world, self.clock).objects)
        self.noted = []

    def output(self, uri, *, run_id="run-1", overwrite=False):
        return ObjectOutput(
            self.store,
            object_place(uri),
            run_id=run_id,
            overwrite=overwrite,
            clock=self.clock,
            note=self._note,
        )

    async def _note(self, location, upload):
        self.noted.append((location, upload, self.uploads))

    def put(self, key, body=b"x"):
        self.world.objects.put(BUCKET, key, body, content_type=None, now=0.0)

    def body(self, key):
        found = self.world.objects.find(BUCKET, key)
        return None if found is None else found.body

    def names(self, prefix=""):
        return [key for key, _ in self.world.objects.list(BUCKET, prefix).entries]

    @property
    def uploads(self):
        return self.world.objects.statistics()["open_uploads"]


ONE, MANY = f"s3://{BUCKET}/out.parquet", f"s3://{BUCKET}/ds/"


@pytest.fixture
def files(tmp_path):
    def make(*bodies: bytes, dataset=False):
        made = []
        for number, body in enumerate(bodies):
            name = f"part-{number:05d}.parquet" if dataset else ""
            path = Path(tmp_path / (name or "out.parquet"))
            path.write_bytes(body)
            made.append(BuiltFile(name, path, 3, len(body)))
        return made

    return make


LARGE = bytes(range(256)) * (2 * PART_BYTES // 256) + b"end"


@pytest.mark.parametrize("body", [b"small", LARGE])
@pytest.mark.parametrize("lost", [[], [LOST], [LOST, LOST]])
def test_an_object_is_whole_whatever_becomes_of_the_reply(files, body, lost):
    account = Account()

    async def main():
        output = account.output(ONE)
        await output.prove()
        assert account.names() == [], "proving leaves nothing"
        account.store.after = {"complete": list(lost)}
        await output.publish(files(body))

    run_virtual(main)
    assert account.body("out.parquet") == body
    assert account.uploads == 0
    stored = account.world.objects.find(BUCKET, "out.parquet")
    assert dict(stored.metadata) == {RUN: "run-1"}
    assert stored.content_type == "application/vnd.apache.parquet"


@pytest.mark.parametrize("body", [b"small", LARGE])
def test_what_appeared_meanwhile_is_not_replaced(files, body):
    account = Account()

    async def main():
        output = account.output(ONE)
        await output.prove()
        account.put("out.parquet", b"theirs")
        with pytest.raises(UsageError, match="exists: choose another name"):
            await output.publish(files(body))

    run_virtual(main)
    assert account.body("out.parquet") == b"theirs"


@pytest.mark.parametrize("body", [b"small", LARGE])
def test_what_appears_in_the_last_moment_is_not_replaced(files, body):
    account = Account()

    async def main():
        around = account.store.around

        async def late(name, call):
            if name == "complete" and account.body("out.parquet") is None:
                account.put("out.parquet", b"theirs")
            return await around(name, call)

        account.store.around = late
        with pytest.raises(
            UsageError, match="appeared while the run went on: move it away, then `fanout resume`"
        ):
            await account.output(ONE).publish(files(body))

    run_virtual(main)
    assert account.body("out.parquet") == b"theirs"
    assert account.uploads == 0


def test_what_stands_there_is_replaced_when_asked_or_when_it_is_this_runs(files):
    account = Account()
    account.put("out.parquet", b"earlier")

    async def main():
        with pytest.raises(UsageError) as caught:
            await account.output(ONE).prove()
        assert caught.value.exit is Exit.USAGE
        replacing = account.output(ONE, overwrite=True)
        await replacing.prove()
        await replacing.publish(files(b"first"))
        again = account.output(ONE)  # killed before its summary was written
        await again.prove()
        await again.publish(files(b"second"))
        with pytest.raises(UsageError):
            await account.output(ONE, run_id="run-2").prove()

    run_virtual(main)
    assert account.body("out.parquet") == b"second"


@pytest.mark.parametrize("body", [b"small", LARGE])
def test_a_conflict_has_the_upload_made_anew(files, body):
    account = Account()
    account.store.before = {"complete": [CONFLICT]}
    run_virtual(lambda: account.output(ONE).publish(files(body)))
    assert account.body("out.parquet") == body
    assert account.uploads == 0


def test_conflicts_without_end_are_told(files):
    account = Account()
    account.store.before = {"complete": [CONFLICT] * 10}

    async def main():
        with pytest.raises(RunError, match="other writers kept getting in between"):
            await account.output(ONE).publish(files(b"x"))

    run_virtual(main)
    assert account.body("out.parquet") is None


@pytest.mark.parametrize(
    ("operation", "right"), [("CreateMultipartUpload", "s3:PutObject"), ("ListObjectsV2", "s3:ListBucket")]
)
def test_a_right_that_is_missing_is_named_before_anything_is_sent(operation, right):
    account = Account(faults={"denied": [operation]})

    async def main():
        with pytest.raises(RunError, match=f"Grant {right} to the role") as caught:
            await account.output(MANY).prove()
        assert caught.value.exit is Exit.PRECONDITION

    run_virtual(main)


def test_a_dataset_is_marked_when_it_is_whole(files):
    account = Account()

    async def main():
        output = account.output(MANY)
        await output.prove()
        await output.publish(files(b"one", b"two", dataset=True))

    run_virtual(main)
    assert account.names("ds/") == [
        "ds/_SUCCESS", "ds/_manifest.json", "ds/part-00000.parquet", "ds/part-00001.parquet",
    ]  # fmt: skip
    told = json.loads(account.body("ds/_manifest.json"))
    assert (told["run"], [file["rows"] for file in told["files"]]) == ("run-1", [3, 3])
    etag = account.world.objects.find(BUCKET, "ds/part-00001.parquet").etag
    assert told["files"][1] == {"name": "part-00001.parquet", "rows": 3, "size_bytes": 3, "etag": etag}


@pytest.mark.parametrize("steps", range(7))
def test_a_dataset_that_was_half_replaced_is_never_marked(files, steps):
    """Of every beginning of a replacement: no mark, unless it is whole; and it can be done again."""
    account = Account()

    async def main():
        await account.output(MANY, run_id="run-0").publish(files(b"a", b"b", b"c", dataset=True))
        killed = account.output(MANY, overwrite=True)
        done = 0

        class KilledError(Exception):
            pass

        real = account.store._objects

        class Dying:
            def __getattr__(self, name):
                call = getattr(real, name)
                if name not in {"put", "delete", "begin_upload"}:
                    return call

                async def counted(*arguments, **more):
                    nonlocal done
                    if done == steps:
                        raise KilledError
                    done += 1
                    return await call(*arguments, **more)

                return counted

        account.store._objects = Dying()
        new = files(b"A", b"B", dataset=True)
        try:
            await killed.publish(new)
        except KilledError:
            assert "ds/_SUCCESS" not in account.names("ds/") or done == 0
        else:
            assert steps == 6
        account.store._objects = real
        await account.output(MANY, overwrite=True).publish(new)

    run_virtual(main)
    assert account.names("ds/") == [
        "ds/_SUCCESS", "ds/_manifest.json", "ds/part-00000.parquet", "ds/part-00001.parquet",
    ]  # fmt: skip
    assert (account.body("ds/part-00000.parquet"), account.body("ds/part-00001.parquet")) == (b"A", b"B")


def test_a_prefix_that_holds_something_else_is_left_alone():
    account = Account()
    account.put("ds/notes.txt")

    async def main():
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=r"holds more than an earlier output \(notes\.txt\)"):
                await account.output(MANY, overwrite=overwrite).prove()
        assert account.names() == ["ds/notes.txt"]

    run_virtual(main)


def test_a_folders_marker_is_nothing():
    account = Account()
    account.put("ds/", b"")
    run_virtual(account.output(MANY).prove)


def test_a_dataset_half_written_by_this_run_is_gone_on_with(files):
    account = Account()

    async def main():
        for name, run_id in (("part-00000.parquet", "run-1"), ("part-00001.parquet", "run-1")):
            await account.store.put(Location(BUCKET, f"ds/{name}"), b"old", metadata={RUN: run_id})
        with pytest.raises(UsageError, match="holds an output"):
            await account.output(MANY, run_id="run-2").prove()
        await account.output(MANY).prove()
        await account.output(MANY).publish(files(b"new", dataset=True))

    run_virtual(main)
    assert account.names("ds/") == ["ds/_SUCCESS", "ds/_manifest.json", "ds/part-00000.parquet"]


def test_every_upload_is_noted_as_it_begins_before_it_has_a_part(files):
    account = Account()

    async def main():
        output = account.output(MANY)
        await output.prove()
        await output.publish(files(b"one", b"two", dataset=True))

    run_virtual(main)
    assert [(location.key, open_now) for location, _, open_now in account.noted] == [
        (key, open_now)
        for key in ("ds/_SUCCESS", "ds/part-00000.parquet", "ds/part-00001.parquet")
        for open_now in (0, 1)  # before it begins, and before it has a part
    ]
    assert len({upload for _, upload, _ in account.noted if upload is not None}) == 3


def test_an_upload_that_cannot_be_noted_is_not_begun(files):
    account = Account()

    async def main():
        output = account.output(ONE)
        account.noted = None  # takes nothing
        with pytest.raises(AttributeError):
            await output.publish(files(b"body"))

    run_virtual(main)
    assert (account.uploads, account.names()) == (0, [])


def test_an_upload_begun_as_a_proof_that_may_not_be_aborted_is_what_a_person_is_warned_of():
    account = Account(faults={"denied": ["AbortMultipartUpload"]})
    said = []
    run_virtual(lambda: account.output(ONE).prove(warn=said.append))
    [text] = said
    assert text.startswith(f"an upload to {ONE} that was begun to see whether it may be stays")
    assert "Grant s3:AbortMultipartUpload" in text
    assert account.uploads == 1
