"""The real command: a plan beside the run that follows it, and what it is without AWS."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from support.cli import environment, fanout, local_aws, write_jsonl
from support.fork_server import Started

ROWS = 40


@pytest.fixture(scope="module")
def aws():
    with local_aws("service_time.median_s=0.02", "service_time.sigma=0", "instances=4") as running:
        yield running


def begin(aws, directory, client):
    rows = [{"n": n, "text": "x" * (150_000 if n % 4 == 0 else 100)} for n in range(ROWS)]
    write_jsonl(directory / "in.jsonl", rows)
    with (directory / "in.jsonl").open("a") as file:
        file.write("no JSON\n")
    prefix = f"s3://{aws.bucket}/{client}"
    return ["in.jsonl", "-o", "out.parquet", "--endpoint", aws.endpoint, "--input-prefix", prefix]


@pytest.mark.parametrize("client", ["wire", "aiobotocore"])
def test_a_plan_is_what_the_run_then_does(aws, tmp_path, client):
    arguments = begin(aws, tmp_path, client)
    env = aws.env | {"FANOUT_TRANSPORT_CLIENT": client, "FANOUT_COLLECT_POLL_S": "0.5"}
    before = aws.stats()
    done = fanout("plan", *arguments, "--json", env=env, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    planned, after = json.loads(done.stdout), aws.stats()
    asked = {name: count - before["requests"].get(name, 0) for name, count in after["requests"].items()}
    assert {name for name, count in asked.items() if count} <= {"DescribeEndpoint", "DescribeEndpointConfig"}
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"], "it makes nothing"
    assert planned["instance_types"] == {"ml.m5.large": 4}

    done = fanout("run", *arguments, "--json", "-q", env=env, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    summary, last = json.loads(done.stdout), aws.stats()
    same = ("exit_code", "rows", "by_transport", "payload_bytes")
    assert {key: planned[key] for key in same} == {key: summary[key] for key in same}
    assert planned["rejected"] == summary["errors"]
    made = {name: count - after["requests"].get(name, 0) for name, count in last["requests"].items()}
    calls = planned["requests"]
    assert calls["sagemaker:InvokeEndpointAsync"] == made["InvokeEndpointAsync"] == ROWS
    served = last["completed"] - after["completed"]
    assert calls["s3:PutObject"] == made["PutObject"] + served == ROWS // 4 + ROWS
    assert calls["s3:GetObject"] == made["GetObject"] + ROWS // 4, "SageMaker reads what we upload"
    assert calls["sns:Publish"] == last["messages_published"] - after["messages_published"]

    report = fanout("report", "out.parquet", "--format", "json", env=env, cwd=tmp_path)
    assert planned["dollars"] == pytest.approx(json.loads(report.stdout)["cost"]["dollars"], rel=0.001)
    again = json.loads(fanout("plan", *arguments, "--json", env=env, cwd=tmp_path).stdout)
    assert again["service_from"].startswith(f"run {summary['run']} of ")
    assert again["seconds"] > 0


def test_without_aws_it_tells_what_it_can(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    arguments = ("plan", "in.jsonl", "--region", "eu-west-1", "--rate", "1")
    done = fanout(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "1 row: 1 would be sent, 0 rejected"
    assert [line for line in lines if line.startswith("not known: No AWS credentials")] != []
    assert lines[-2:] == ["row 0, inline, 8 bytes, application/json:", '  {"n": 1}']
    quiet = fanout(*arguments, "-q", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    (tmp_path / "in.jsonl").write_text("no JSON\n")
    assert fanout(*arguments, "-q", cwd=tmp_path).returncode == 3
    nothing = fanout("plan", cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.startswith("fanout: no input: name files")


def test_a_signal_ends_it(tmp_path):
    read, write = os.pipe()
    with (
        os.fdopen(read, "rb") as stdin,
        Started(
            "plan",
            "-",
            env=environment(AWS_REGION="eu-west-1"),
            cwd=tmp_path,
            stdin=stdin,
            stderr=subprocess.PIPE,
        ) as running,
    ):
        os.write(write, b'{"n": 1}\n' * 20_000)  # more than a pipe holds: it is being read
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(30) == 75
        assert running.stderr.read().endswith("nothing was sent: start it again\n")
    os.close(write)
    assert list(tmp_path.iterdir()) == []
