"""Makes what a merge finds: a run of shards whose rows have all ended, and the same rows as the parts of one process.

python benchmarks/prepared.py DIRECTORY ROWS SHARDS      # DIRECTORY/shards and DIRECTORY/one
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from fanout.config.model import Config
from fanout.domain.ids import new_run
from fanout.domain.records import Outcome
from fanout.domain.tally import Tally
from fanout.output.parts import read_parts, write_part
from fanout.output.schema import derive, gather
from fanout.rundir.manifest import Manifest, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import PlannedShard, ShardPlan
from fanout.rundir.shard_result import ShardResult
from fanout.runtime.finish import finish_here
from fanout.runtime.result import RunResult
from fanout.source.known import Known
from fanout.source.units import Unit

PART_ROWS = 5_000
KEPT = pa.schema([pa.field("label", pa.string())])
AT = 1_760_000_000.0


def prepare(directory: Path, *, rows: int, shards: int) -> None:
    """Write both; the rows of the last shard are those that are left over."""
    counts = [rows // shards + (index < rows % shards) for index in range(shards)]
    ids = [new_run() for _ in range(shards)]
    config = Config.model_validate(
        {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(directory / "in.jsonl")]},
            "output": {"path": str(directory / "all.parquet")},
            "run": {"shards": shards},
        }
    )
    whole, one = RunDirectory(directory / "shards"), RunDirectory(directory / "one")
    _begin(whole, config)
    _begin(one, config.model_copy(update={"run": Config().run}))
    whole.shards.mkdir()
    plan = ShardPlan(
        run_id="abcdefghij",
        config=config,
        endpoint="simulated",
        simulated=True,
        fingerprint="f",
        created_at=AT,
        deadline_at=None,
        at_once=min(shards, 64),
        known=Known(str(directory / "in.jsonl"), ("label",), KEPT),
        warnings=(),
        shards=tuple(
            PlannedShard(name, (_unit(directory / "in.jsonl", index, shards),))
            for index, name in enumerate(ids)
        ),
    )
    whole.plan.write_bytes(plan.dump())
    before = number = 0
    for index, count in enumerate(counts):
        shard = whole.shard(index)
        shard.path.mkdir()
        shard.parts.mkdir()
        tally = Tally()
        for place, first in enumerate(range(0, count, PART_ROWS)):
            outcomes = [_outcome(row, ids[index]) for row in range(first, min(first + PART_ROWS, count))]
            for outcome in outcomes:
                tally.add(outcome)
            table = derive(gather(outcomes, KEPT), KEPT)
            write_part(shard.parts, place, table)
            moved = pc.add(table["row"], pa.scalar(before, pa.int64()))
            column = table.schema.get_field_index("row")
            write_part(one.parts, number, table.set_column(column, table.schema.field(column), moved))
            number += 1
        before += count
        Manifest(ids[index], config, "f", "simulated", shard=(index, shards)).write(shard.manifest)
        ShardResult(tally, 0, ()).write(shard.subtotal)


def merge_one(path: Path) -> None:
    """Make the output of the one process, as the end of its run does."""
    directory = RunDirectory(path)
    config = read_manifest(directory).config
    parts = read_parts(directory.parts)
    output = config.output.model_copy(update={"path": str(path / "out.parquet")})
    tally = Tally()
    tally.by_status["succeeded"] = sum(part.rows for part in parts)
    finish_here(
        RunResult(
            run_id="abcdefghij",
            config=config.model_copy(update={"output": output}),
            directory=directory,
            endpoint="simulated",
            parts=parts,
            passthrough_schema=KEPT,
            whole=False,
            tally=tally,
            throttles=0,
            started_at=AT,
            simulated=True,
            warnings=(),
        ),
        now=AT + 1.0,
    )


def _begin(directory: RunDirectory, config: Config) -> None:
    directory.path.mkdir()
    directory.parts.mkdir()
    Manifest("abcdefghij", config, "f", "simulated").write(directory.manifest)


def _unit(path: Path, index: int, of: int) -> Unit:
    return Unit(
        path=str(path), file_bytes=of, version="v", format="jsonl", compression="none",
        start=index, end=index + 1, size_bytes=1, rows=None,
    )  # fmt: skip


def _outcome(row: int, run: str) -> Outcome:
    at = AT + row / 1_000
    return Outcome(
        row=row,
        id=f"id-{row}",
        passthrough=(f"label-{row % 7}",),
        status="succeeded",
        transport="inline",
        attempts=1,
        inference_id=f"{run}.{row}.0.{os.urandom(4).hex()}",
        response=b'{"label": "positive", "score": 0.%06d}' % (row * 7_919 % 1_000_000),
        due_at=at,
        sent_at=at + 0.25,
        accepted_at=at + 0.5,
        notified_at=at + 2,
        collected_at=at + 2.5,
        fetched_at=at + 3,
        ended_at=at + 3.1,
        noticed_by="sqs",
    )


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), rows=int(sys.argv[2]), shards=int(sys.argv[3]))
