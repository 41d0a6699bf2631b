"""The campaign of kills of shards, hosts, merges and drivers, small."""

from __future__ import annotations

import pytest
from crash.shard_campaign import Kill, ShardedRun
from support.processes import IMPATIENT, make_input

pytestmark = pytest.mark.campaign


@pytest.fixture
def sharded(aws, tmp_path):
    directory = tmp_path / tmp_path.name
    directory.mkdir()
    given = make_input(tmp_path / "in.jsonl", 250, seed=11)
    return ShardedRun(aws, directory, given, rate=60.0, waits=IMPATIENT)


def test_shards_their_hosts_and_the_merge(sharded):
    found = sharded.array([[Kill(1.5), Kill(2.0, host=True)], [Kill(2.5, host=True)], []], [Kill(0.4)])
    assert found.complaints == []
    assert found.sound
    assert found.kills["shard"] == 3
    assert found.lost_hosts == 2


def test_the_driver_and_a_shard_under_it(sharded):
    found = sharded.driver([Kill(3.0)], [2.0])
    assert found.complaints == []
    assert found.sound
    assert found.kills["driver"] == 1
