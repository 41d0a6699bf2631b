"""The public API as type checkers see it: `.ci/run` checks this file with mypy --strict and with pyright."""

from __future__ import annotations

from typing import assert_type

import fanout


def verbs() -> None:
    summary = fanout.run("rows.jsonl", endpoint="my-endpoint", output="answers.parquet", rate=200)
    assert_type(summary, fanout.Summary)
    assert_type(summary.rows, int)
    config = fanout.load_config("job.toml")
    assert_type(config, fanout.Config)
    assert_type(fanout.run(config, limit=10), fanout.Summary)
    assert_type(fanout.plan(config, service_s=0.5, limit=10), fanout.Plan)
    assert_type(fanout.resume(summary.run_dir, rate=3), fanout.Summary)
    assert_type(fanout.retry(summary.run_dir, "again.parquet"), fanout.Summary)
    assert_type(fanout.export(summary.run_dir, "so-far.parquet"), int)
    assert_type(fanout.status(summary.run_dir), fanout.RunStatus)


async def sessions() -> None:
    async with fanout.open(endpoint="my-endpoint", window=100) as session:
        assert_type(session, fanout.Session)
        assert_type(await session.send(b"one", id="a"), fanout.Outcome)
        records: list[bytes | fanout.Record] = [b"two", fanout.Record.of(b"three", id="b", ttl_s=600)]
        async for outcome in session.map(records, ordered=False):
            assert_type(outcome, fanout.Outcome)
            assert_type(outcome.response, bytes | None)
