"""A plan of a run of two shards, of which the second has nothing to read."""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5
from itertools import pairwise

import pyarrow as pa

from fanout.config.model import Config
from fanout.rundir.shard_plan import PlannedShard, ShardPlan, planned
from fanout.source.known import Known
from fanout.source.units import Unit

UNIT = Unit(
    path="s3://b/in.jsonl", file_bytes=10, version='"e"', format="jsonl", compression="none",
    start=4, end=10, size_bytes=6, rows=None,
)  # fmt: skip
PLAN = ShardPlan(
    run_id="abcdefghij",
    config=Config.model_validate({"pacing": {"rate": 7}, "run": {"shards": 2}}),
    endpoint="e",
    simulated=False,
    fingerprint="f",
    created_at=1.5,
    deadline_at=None,
    at_once=2,
    known=Known("s3://b/in.jsonl", ("a",), pa.schema([("a", pa.int8())])),
    warnings=("w",),
    shards=(PlannedShard("bcdefghijk", (UNIT,)), PlannedShard("cdefghijkl", ())),
)


def long_plan(units=1_000, shards=64):
    """Return a plan of so many small files, each of which one shard reads; ETags do not compress."""
    each = [
        replace(UNIT, path=f"s3://bucket/data/part-{row:05}.parquet", version=md5(b"%d" % row).hexdigest())
        for row in range(units)
    ]
    cuts = [units * index // shards for index in range(shards + 1)]
    divided = [tuple(each[start:end]) for start, end in pairwise(cuts)]
    return replace(PLAN, shards=planned(divided, [None] * shards))
