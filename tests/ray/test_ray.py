"""A run on Ray: its shards are actors, one output comes of them, and one that is killed goes on as another actor.

It starts Ray, which takes 10 s and 600 MB, and so has a command of its own in `.ci/run`: `pytest tests/ray` in an
environment with the extra `fanout[ray]`. Elsewhere it is skipped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from support.audit import audit
from support.cli import environment, local_aws
from support.outputs_in_s3 import download
from support.processes import QUICK, make_input
from support.ray_nodes import Nodes

from fanout.rundir.shard_plan import parse_plan

pytest.importorskip("ray")
pytestmark = pytest.mark.timeout(400)
ROWS = 1_500


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


def start(aws, directory, *more):
    env = environment(
        **aws.env,
        HOME=str(directory),  # Ray writes its token there
        PATH=os.environ["PATH"],
        PYTHONPATH=os.environ.get("PYTHONPATH", ""),
    )
    words = [
        "run", "in.jsonl", "--endpoint", aws.endpoint, "-o", "out.parquet", "--run-dir", "rd", "-q",
        "--engine", "ray", "--shards", "4", "--at-once", "2", *more,
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "fanout.cli", *words],
        cwd=directory,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    )


def accepted(aws, directory):
    names = [json.loads(path.read_text())["run"] for path in directory.glob("rd/shards/*/run.json")]
    return [line for name in names for line in aws.of(name)]


def workers(directory):
    """Process ids of shards that have sent, by shard."""
    return {
        path.parent.name: json.loads(path.read_text())["pid"]
        for path in directory.glob("rd/shards/*/status.json")
    }


def test_a_killed_shard_goes_on_as_another_actor(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", ROWS, seed=7)
    process = start(aws, tmp_path, "--rate", "300")
    try:
        ends = time.monotonic() + 200
        while len(accepted(aws, tmp_path)) < 100:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < ends
            time.sleep(0.2)
        name, pid = next(iter(workers(tmp_path).items()))
        os.kill(pid, signal.SIGKILL)
        stderr = process.communicate(timeout=200)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 3, stderr
    assert f"the Ray actor of shard {name} lost its process by signal 9: it is started again" in stderr
    audit(
        pq.read_table(tmp_path / "out.parquet"), given.payloads, accepted=accepted(aws, tmp_path), exit_code=3
    )


def test_the_first_signal_stops_all_actors_in_order(aws, tmp_path):
    make_input(tmp_path / "in.jsonl", ROWS, seed=7)
    process = start(aws, tmp_path, "--rate", "100")
    try:
        ends = time.monotonic() + 200
        while len(accepted(aws, tmp_path)) < 50:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < ends
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=150)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 75, stderr
    assert "SIGTERM: stopped" in stderr


def test_the_shard_of_a_node_that_is_lost_goes_on_on_another(aws, tmp_path, monkeypatch):
    """The run is kept in S3: the nodes share no disk."""
    monkeypatch.setenv("HOME", str(tmp_path))  # Ray writes its token there
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # what else runs here must not keep the shards from theirs
    given = make_input(tmp_path / "in.jsonl", ROWS, seed=9)
    place, output = f"s3://{aws.bucket}/runs/nodes", f"s3://{aws.bucket}/answers/nodes.parquet"
    nodes = Nodes(tmp_path, aws.env)
    try:
        first = nodes.add()
        nodes.add()
        env = environment(
            **aws.env,
            HOME=str(tmp_path),
            PATH=os.environ["PATH"],
            PYTHONPATH=os.environ.get("PYTHONPATH", ""),
        )
        words = [
            "run", str(tmp_path / "in.jsonl"), "--endpoint", aws.endpoint, "-o", output, "--run-dir", place, "-q",
            "--engine", "ray", "--shards", "2", "--ray-address", nodes.cluster.address, "--rate", "100",
        ]  # fmt: skip
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "fanout.cli", *words], cwd=tmp_path, env=env, stderr=said
            )

        def log():
            download(aws, f"{place}/plan.json", tmp_path / "plan.json")
            if not (tmp_path / "plan.json").exists():
                return [[], []]
            plan = parse_plan((tmp_path / "plan.json").read_bytes(), "plan.json")
            return [aws.of(shard.run_id) for shard in plan.shards]

        def stderr():
            return (tmp_path / "said").read_text()

        try:
            ends = time.monotonic() + 200
            while min(map(len, log())) < 50:
                assert process.poll() is None, stderr()
                assert time.monotonic() < ends, stderr()
                time.sleep(0.5)
            nodes.lose(first)
            nodes.add()
            assert process.wait(300) == 3, stderr()
        finally:
            process.kill()
            process.wait()
        assert "was lost (" in stderr()
        assert "it is started again, and goes on where its journal says" in stderr()
        download(aws, output, tmp_path / "out.parquet")
        accepted_by_all = [line for each in log() for line in each]
        audit(pq.read_table(tmp_path / "out.parquet"), given.payloads, accepted=accepted_by_all, exit_code=3)
        assert not list((tmp_path / "node-2").rglob("run-*")), "scratch is left"
    finally:
        nodes.cluster.shutdown()
