"""The verbs that are awaited: they take what the others take, and say where they do not run."""

from __future__ import annotations

import asyncio

import pytest
import trio

import fanout
from fanout.commands import run as command
from fanout.config.load import load_config


@pytest.mark.parametrize("given", ["rows.jsonl", ["rows.jsonl"], None])
def test_a_job_takes_what_a_run_takes(monkeypatch, given):
    taken = []

    async def run_job(config, *, observer):
        taken.append((config, observer))

    monkeypatch.setattr(command, "run_job", run_job)
    more = {"inputs": ["rows.jsonl"]} if given is None else {}
    asyncio.run(fanout.run_job(given, endpoint="e", rate=3, **more))
    said = {"input": {"paths": ["rows.jsonl"]}, "endpoint": {"name": "e"}, "pacing": {"rate": 3}}
    assert taken == [(load_config(flags=said), None)]


@pytest.mark.parametrize(
    ("job", "arguments", "verb"),
    [
        (fanout.run_job, (fanout.Config(),), "run"),
        (fanout.resume_job, ("rd",), "resume"),
        (fanout.retry_job, ("rd", "out.parquet"), "retry"),
    ],
)
def test_under_trio_a_sentence_names_the_way_round(job, arguments, verb):
    with pytest.raises(fanout.UsageError, match=rf"trio\.to_thread\.run_sync\(fanout\.{verb}, \.\.\.\)"):
        trio.run(job, *arguments)
