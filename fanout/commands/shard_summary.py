"""Tells what one shard of a run came to, before it is merged with the others."""

from __future__ import annotations

from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import ShardPlan
from fanout.rundir.shard_result import ShardResult
from fanout.rundir.summary import Summary, latencies
from fanout.runtime.place.run_place import RunPlace
from fanout.text import iso


def shard_summary(
    plan: ShardPlan,
    directory: RunDirectory,
    result: ShardResult,
    *,
    latency: bool,
    place: RunPlace | None = None,
) -> Summary:
    """Return what a finished shard came to; its rows stand in its parts until they are merged.

    Args:
        plan: Of the whole run.
        directory: The shard's.
        result: Its counts.
        latency: Whether its parts are to be read for their latencies: those that are here.
        place: Where its state is kept in S3; None for one that is kept in its directory.
    """
    tally = result.tally
    files = list(directory.parts.glob("part-*.parquet")) if directory.parts.is_dir() else []
    return Summary(
        run_id=plan.run_id,
        endpoint=plan.endpoint,
        output=str(directory.parts) if place is None else f"s3://{place.bucket}/{place.parts}",
        run_dir=str(directory.path) if place is None else place.uri,
        rows=tally.rows,
        by_status=dict(tally.by_status),
        by_transport=dict(tally.by_transport),
        errors=dict(tally.errors),
        examples=dict(tally.examples),
        payload_bytes=tally.payload_bytes,
        response_bytes=tally.response_bytes,
        output_bytes=sum(path.stat().st_size for path in files),
        resends=tally.resends,
        throttles=result.throttles,
        started_at=iso(plan.created_at),
        seconds=0.0,
        latency=latencies(str(directory.parts)) if latency and files else {},
        simulated=plan.simulated,
        warnings=result.warnings,
        possible_resends=tally.possible_resends,
        ended_here=tally.rows if latency else 0,
    )
