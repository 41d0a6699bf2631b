"""What shards have in common in S3: an object that is put once, results, and the order to stop."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory
from support.plans import PLAN

from fanout.commands.find_place import looking
from fanout.config.model import Config
from fanout.domain.tally import Tally
from fanout.errors import CallError, JournalError, Phase, RunError
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.place.run_place import run_place
from fanout.shards import kept_shards
from fanout.shards.kept_plan import fetch_plan
from fanout.shards.kept_shards import cancellation, fetch_results, put_new

PLACE = run_place("s3://simulated/runs/one")


@pytest.fixture
def account(monkeypatch):
    return in_memory(monkeypatch)


def ask(call):
    """Return what `call` returns, which is given S3 and a clock."""

    async def main():
        async with looking(Config()) as session:
            return await call(session.cloud.objects, session.clock)

    return anyio.run(main)


def failing(code, *, status=412, before=0):
    """Return an S3 whose PUTs fail by `code`, after `before` of them were stored without a reply."""

    class Failing:
        def __init__(self, objects):
            self.objects, self.puts = objects, 0

        def __getattr__(self, name):
            return getattr(self.objects, name)

        async def put(self, location, body, **more):
            self.puts += 1
            if self.puts <= before:
                await self.objects.put(location, body, **more)
                raise CallError(Phase.EXCHANGE, "ReadTimeout")
            if code is None:
                return await self.objects.put(location, body, **more)
            raise CallError(Phase.REPLY, code, status=status)

    return Failing


def test_of_two_that_put_an_object_one_has_put_it(account):
    assert ask(lambda objects, clock: put_new(objects, PLACE.plan, b"mine", clock=clock)) is True
    assert ask(lambda objects, clock: put_new(objects, PLACE.plan, b"other", clock=clock)) is False
    assert account.world.objects.get(*PLACE.plan).body == b"mine"


def test_who_put_it_and_heard_nothing_has_put_it_all_the_same(account):
    put = failing(None, before=1)
    assert ask(lambda objects, clock: put_new(put(objects), PLACE.plan, b"mine", clock=clock)) is True


def test_a_refusal_names_the_right_that_is_missing(account):
    put = failing("AccessDenied", status=403)
    with pytest.raises(RunError, match="s3:PutObject"):
        ask(lambda objects, clock: put_new(put(objects), PLACE.plan, b"mine", clock=clock))


def test_a_plan_is_fetched_if_it_is_one(account, tmp_path):
    directory = RunDirectory(tmp_path)
    assert ask(lambda objects, clock: fetch_plan(objects, PLACE, directory, clock=clock)) is False
    account.world.objects.put(*PLACE.plan, PLAN.dump(), content_type=None, now=1.0)
    assert ask(lambda objects, clock: fetch_plan(objects, PLACE, directory, clock=clock)) is True
    assert directory.plan.read_bytes() == PLAN.dump()
    account.world.objects.put(*PLACE.plan, b"{}", content_type=None, now=2.0)
    with pytest.raises(JournalError):
        ask(lambda objects, clock: fetch_plan(objects, PLACE, directory, clock=clock))


def test_results_that_are_there_replace_those_of_an_earlier_look(account, tmp_path):
    shards = [RunDirectory(tmp_path).shard(index) for index in range(18)]
    shards[3].parts.mkdir(parents=True)
    ShardResult(Tally(rows=9), 0, ()).write(shards[3].subtotal)
    for index in (0, 17):
        ShardResult(Tally(rows=index), 0, ()).write(shards[3].subtotal)
        body = shards[3].subtotal.read_bytes()
        account.world.objects.put(*PLACE.shard(index).subtotal, body, content_type=None, now=1.0)
    missing = ask(lambda objects, clock: fetch_results(objects, PLACE, shards, clock=clock))
    assert missing == list(range(1, 17))
    assert [shard.subtotal.exists() for shard in shards] == [True] + [False] * 16 + [True]


def test_the_order_to_stop_is_heard_though_s3_fails_now_and_then(account, monkeypatch):
    monkeypatch.setattr(kept_shards, "LOOK_S", 0.0)

    class Sometimes:
        looks = 0

        async def head(self, location):
            assert location == PLACE.cancel
            self.looks += 1
            if self.looks == 1:
                raise CallError(Phase.REPLY, "SlowDown", status=503)
            return None if self.looks < 4 else object()

    async def main():
        return [reason async for reason in cancellation(objects, PLACE)]

    objects = Sometimes()
    assert anyio.run(main) == ["the run was cancelled (`fanout cancel`)"]
    assert objects.looks == 4
