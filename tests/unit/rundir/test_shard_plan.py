"""The plan of a run of several shards: what it says comes back, and what is damaged is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.plans import PLAN, UNIT, long_plan

from fanout.errors import JournalError, UsageError
from fanout.files import write_new
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import idle_warning, parse_plan, planned, read_plan
from fanout.source.footer_pack import PackPlace
from fanout.source.units import InputPart

PACK = PackPlace(0, 9, "ab" * 32)
PACKED = replace(PLAN, shards=(replace(PLAN.shards[0], footers=PACK), PLAN.shards[1]))


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, deadline_at=2.5), PACKED])
def test_a_plan_comes_back(plan, tmp_path):
    directory = RunDirectory(tmp_path)
    assert write_new(directory.plan, plan.dump())
    assert read_plan(directory) == plan
    assert plan.part(0) == InputPart(0, 2, (UNIT,), plan.known)


def test_a_long_plan_is_packed_for_s3_and_read_like_any_other(tmp_path):
    plan, directory = long_plan(), RunDirectory(tmp_path)
    body = plan.dump_packed()
    assert len(body) < len(plan.dump()) / 5
    assert parse_plan(body, "plan.json") == plan
    assert write_new(directory.plan, body)
    assert read_plan(directory) == plan
    assert PLAN.dump_packed() == PLAN.dump(), "a short one can be read by eye"


@pytest.mark.parametrize("damage", [lambda body: body[:-9], lambda body: body[:40] + b"?" + body[41:]])
def test_a_packed_plan_that_is_damaged_is_refused(damage):
    with pytest.raises(JournalError, match=r"plan\.json is damaged: it"):
        parse_plan(damage(long_plan().dump_packed()), "plan.json")


def test_the_first_plan_stays(tmp_path):
    directory = RunDirectory(tmp_path)
    assert write_new(directory.plan, PLAN.dump())
    assert not write_new(directory.plan, replace(PLAN, run_id="zzzzzzzzzz").dump())
    assert read_plan(directory).run_id == "abcdefghij"
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"], "and nothing is left of the other"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "written by another version"),
        ({"run": "../../etc"}, "is not the id of a run"),
        ({"shards": [{"run": "abcdefghij"}]}, "damaged: it lacks 'units'"),
        (
            {"shards": [{"run": "abcdefghij", "units": [{"path": "x"}]}]},
            "damaged: a value in it is not what fanout writes",
        ),
        ({"shards": [{"run": "abcdefghij", "units": [], "footers": {"start": 0}}]}, "it lacks 'size_bytes'"),
        ({"input": {"path": "", "names": [], "passthrough": "?"}}, "damaged"),
        ({"config": {"pacing": {"rate": -1}}}, "damaged"),
    ],
)
def test_what_is_damaged_or_of_another_version_is_refused(change, words):
    content = {**json.loads(PLAN.dump()), **change}
    with pytest.raises(JournalError, match=words):
        parse_plan(json.dumps(content).encode(), "plan.json")
    with pytest.raises(JournalError, match=r"plan\.json is damaged: it is not a complete JSON document"):
        parse_plan(b"{", "plan.json")


def test_no_plan(tmp_path):
    with pytest.raises(UsageError, match="holds no run of several shards"):
        read_plan(RunDirectory(tmp_path))


def test_every_shard_has_a_run_of_its_own():
    shards = planned([(UNIT,), (), ()], [PACK, None, None])
    assert len({shard.run_id for shard in shards}) == 3
    assert [shard.units for shard in shards] == [(UNIT,), (), ()]
    assert [shard.footers for shard in shards] == [PACK, None, None]


def test_shards_without_work_are_told():
    packed = replace(UNIT, compression="gzip")
    assert idle_warning([(UNIT,), (UNIT,)]) is None
    assert idle_warning([(), (packed,), ()]) == (
        "there is something to read for 1 of 3 shards: 1 compressed file can be read from its start alone"
    )
    assert "fewer files, row groups or lines than shards" in idle_warning([(UNIT,), ()])
