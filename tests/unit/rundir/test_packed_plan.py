"""A packed plan: a head, and the units of each shard, of which one alone can be read."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.plans import PLAN, long_plan

from fanout.rundir.packed_plan import DamagedPlanError, pack_plan, plan_head, unpack_plan
from fanout.source.footer_pack import PackPlace

LONG = long_plan(units=300, shards=5)


WITH_FOOTERS = replace(
    LONG, shards=tuple(replace(shard, footers=PackPlace(7, 9, "ab" * 32)) for shard in LONG.shards)
)


@pytest.mark.parametrize("plan", [PLAN, LONG, WITH_FOOTERS, long_plan(units=3, shards=5)])
def test_what_is_packed_comes_back(plan):
    body = plan.dump()
    assert json.loads(unpack_plan(pack_plan(body))) == json.loads(body)


@pytest.mark.parametrize("index", range(5))
def test_of_one_shard_its_units_are_read_and_no_others(index):
    body = pack_plan(WITH_FOOTERS.dump())
    head = plan_head(body)
    start, size = head.frame(index)
    content = json.loads(head.whole({index: body[start : start + size]}))
    whole = json.loads(WITH_FOOTERS.dump())
    assert [bool(shard["units"]) for shard in content["shards"]] == [number == index for number in range(5)]
    assert content["shards"][index] == whole["shards"][index]
    assert {**content, "shards": 0} == {**whole, "shards": 0}


def test_a_head_is_told_once_all_of_it_is_there():
    body = pack_plan(LONG.dump())
    size = plan_head(body).size_bytes
    assert size < 1_000
    assert plan_head(body[: size - 1]) is None
    assert plan_head(body[:size]) == plan_head(body)


def test_there_is_nothing_of_a_shard_beyond_the_last():
    assert plan_head(pack_plan(LONG.dump())).frame(5)[1] == 0


def test_a_damaged_one_is_refused_wherever_the_damage_is():
    body = pack_plan(LONG.dump())
    for at in range(0, len(body), 97):
        with pytest.raises(DamagedPlanError):  # each frame has a checksum
            unpack_plan(body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :])
        with pytest.raises(DamagedPlanError):
            unpack_plan(body[:at])


def test_units_of_another_plan_are_refused():
    ours, theirs = (pack_plan(plan.dump()) for plan in (LONG, replace(LONG, shards=long_plan(300, 5).shards)))
    head, other = plan_head(ours), plan_head(theirs)
    start, size = other.frame(2)
    with pytest.raises(DamagedPlanError, match="are those of run"):
        head.whole({2: theirs[start : start + size]})
