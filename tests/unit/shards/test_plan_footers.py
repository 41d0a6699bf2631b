"""The footers beside a plan, in S3 and on a disk: each shard gets its own, and whatever is wrong with them, none."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from support.in_memory import in_memory
from support.plans import UNIT

from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.errors import CallError, Phase
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import planned
from fanout.runtime.place.run_place import run_place
from fanout.shards.plan_footers import fetch_footers, put_footers, read_footers, write_footers
from fanout.source.files import InputFile
from fanout.source.kept_footers import KeptFooters
from fanout.source.shard_footers import packed

PLACE = run_place("s3://simulated/runs/one")
FOOTER = b"not read here: it is that of " * 9
FILES = [InputFile(f"s3://b/{name}", 300, None, footer=((100, 100 + len(FOOTER)),)) for name in "ab"]
UNITS = [(replace(UNIT, path=file.path, rows=4, footer=file.footer, start=None, end=None),) for file in FILES]


def footer_of(file):
    return FOOTER[:-1] + file.path[-1:].encode()


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch)


@pytest.fixture
def packs():
    kept = KeptFooters()
    for file in FILES:
        kept.put(file.path, footer_of(file))
    return packed(UNITS, FILES, kept)


class InS3:
    """Footers at a run's place."""

    def __init__(self, account, _):
        self.objects = account.world.objects

    def write(self, body):
        ask(lambda objects, clock: put_footers(objects, PLACE, body, clock=clock))

    def read(self, shard):
        return ask(lambda objects, clock: fetch_footers(objects, PLACE, shard, clock=clock))

    def stands(self):
        found = self.objects.find(*PLACE.footers)
        return None if found is None else found.body

    def spoil(self, body):
        self.objects.delete(*PLACE.footers)
        if body is not None:
            self.objects.put(*PLACE.footers, body, content_type=None, now=1.0)


class OnADisk:
    """Footers in a run's directory."""

    def __init__(self, _, path):
        self.directory = RunDirectory(path)

    def write(self, body):
        write_footers(self.directory, body)

    def read(self, shard):
        return read_footers(self.directory, shard)

    def stands(self):
        path = self.directory.footers
        return path.read_bytes() if path.exists() else None

    def spoil(self, body):
        self.directory.footers.unlink()
        if body is not None:
            self.directory.footers.write_bytes(body)


@pytest.fixture(params=[InS3, OnADisk])
def where(request, account, tmp_path):
    return request.param(account, tmp_path)


def ask(call):
    async def main():
        async with looking(Config()) as session:
            return await call(session.cloud.objects, session.clock)

    return anyio.run(main)


def test_each_shard_gets_its_own(where, packs):
    where.write(packs.body)
    shards = planned(UNITS, packs.places)
    for shard, file in zip(shards, FILES, strict=True):
        found = where.read(shard)
        assert found.get(file.path) == footer_of(file)
        assert [found.get(other.path) for other in FILES if other != file] == [None]


def test_where_nothing_is_saved_nothing_is_written_or_asked_for(where):
    where.write(b"")
    assert where.stands() is None
    assert where.read(planned(UNITS, [None, None])[0]) is None


@pytest.mark.parametrize("why", ["missing", "damaged", "torn", "empty", "of another shard"])
def test_what_is_not_what_the_plan_says_is_not_used(where, packs, why, caplog):
    caplog.set_level("INFO", "fanout.shards")
    where.write(packs.body)
    body, second = packs.body, packs.places[1]
    spoilt = {
        "missing": None,
        "damaged": body[: second.start + 20] + b"?" + body[second.start + 21 :],
        "torn": body[:-1],
        "empty": b"",
        "of another shard": body[second.start :] + body[: second.start],
    }[why]
    where.spoil(spoilt)
    assert where.read(planned(UNITS, packs.places)[1]) is None
    assert "footers are read from the files, not from beside the plan: " in caplog.text


def test_what_another_process_has_written_stays(where, packs):
    """One that was killed before it had put its plan; its footers may be those of an input that has changed since."""
    where.write(b"another's")
    where.write(packs.body)
    assert where.stands() == b"another's"
    assert where.read(planned(UNITS, packs.places)[0]) is None


def test_a_role_that_may_not_write_them_has_its_plan_all_the_same(account, packs):
    class Refused:
        def __init__(self, objects):
            self.objects = objects

        async def put(self, *_, **__):
            raise CallError(Phase.REPLY, "AccessDenied", status=403)

    ask(lambda objects, clock: put_footers(Refused(objects), PLACE, packs.body, clock=clock))
    assert account.world.objects.find(*PLACE.footers) is None


def test_a_disk_that_does_not_take_them_is_left_to_the_plan(tmp_path, packs):
    write_footers(RunDirectory(tmp_path / "gone"), packs.body)
    assert not (tmp_path / "gone").exists()
