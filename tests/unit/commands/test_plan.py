"""A plan beside the run that it is of, and what it says of what it cannot know; against an account in memory."""

from __future__ import annotations

from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.raw_server import bare_environment
from support.stdin import piped

from fanout.commands.new_run import start_run
from fanout.commands.plan import plan_job
from fanout.config.model import Config
from fanout.errors import CallError, Exit, InputError, Phase, RunError, UsageError
from fanout.rundir.paths import RUNS
from fanout.simulator.settings import SimulatorSettings

INPUTS = "s3://simulated-inputs/fanout"


@pytest.fixture
def config(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(10)])

    def make(**sections):
        standard = {
            "endpoint": {"name": "simulated"},
            "input": {"paths": [str(tmp_path / "in.jsonl")]},
            "output": {"path": str(tmp_path / "out.parquet")},
        }
        return Config.model_validate(standard | sections)

    return make


def plan(config, **more):
    async def main():
        return await plan_job(config, **more)

    return anyio.run(main)


def run(config):
    async def main():
        return await start_run(config)

    return anyio.run(main)


def settings(**more):
    return SimulatorSettings.model_validate(
        {"buckets": ["simulated", "simulated-inputs"], "instances": 2, "concurrency_per_instance": 4} | more
    )


def small_rows(_path):
    return {}


def with_bad_rows(path):
    write_jsonl(path / "in.jsonl", [{"n": n} for n in range(7)])
    with (path / "in.jsonl").open("a") as file:
        file.write('no JSON\n[1]\n{"n": 9}\nno JSON either\n')
    return {}


def large_payloads(path):
    table = pa.table({"id": ["a", "b", "c"], "image": [b"x" * 200_000, b"y" * 128_000, b"z" * 128_001]})
    pq.write_table(table, path / "in.parquet")
    return {
        "input": {"paths": [str(path / "in.parquet")]},
        "payload": {"column": "image"},
        "columns": {"id": "id"},
        "transport": {"input_prefix": INPUTS},
    }


def only_bad_rows(path):
    (path / "in.jsonl").write_text("no JSON\n" * 3)
    return {}


@pytest.mark.parametrize("make", [small_rows, with_bad_rows, large_payloads, only_bad_rows])
def test_it_tells_what_the_run_then_does(monkeypatch, config, tmp_path, make):
    account = in_memory(monkeypatch, settings())
    given = config(**make(tmp_path))
    before = sorted(tmp_path.iterdir())
    planned = plan(given)
    assert sorted(tmp_path.iterdir()) == before
    assert account.world.log == [], "nothing was sent"
    assert not account.world.queues.names
    assert [each for each in account.log if each[1:] == "queue"] == []

    summary = run(given)
    rows = planned.rows
    assert (rows.rows, rows.payload_bytes) == (summary.rows, summary.payload_bytes)
    assert rows.by_transport == summary.by_transport
    assert (rows.rejected, rows.examples) == (summary.errors, summary.examples)
    assert planned.exit == summary.exit
    assert planned.requests.invocations == len(account.world.log)
    sent = [line.bytes for line in account.world.log]
    assert rows.sizes.total == sum(sent)
    assert rows.sizes.largest == max(sent, default=0)


def test_the_first_rows_are_those_that_are_sent(monkeypatch, config, tmp_path):
    account = in_memory(monkeypatch, settings())
    given = config(**large_payloads(tmp_path))
    planned = plan(given, show=2)
    run(given)
    sent = {int(line.inference_id.split(".")[1]): line for line in account.world.log}
    assert [(each.row, each.id, each.transport, each.payload_bytes) for each in planned.rows.samples] == [
        (row, name, sent[row].transport, sent[row].bytes) for row, name in ((0, "a"), (1, "b"))
    ]
    assert planned.rows.samples[0].location.startswith(f"{INPUTS}/00/")
    assert plan(given, show=0).rows.samples == []


def test_the_last_finished_run_on_the_endpoint_tells_the_model_s_time(monkeypatch, config):
    in_memory(monkeypatch, settings(service_time={"median_s": 0.05}))
    given = config(prices={"instances": {"ml.m5.large": 0.115}})
    first = plan(given)
    assert (first.service, first.forecast.seconds) == (None, None)
    assert [said for said in first.forecast.unknown if "--service-s" in said]

    summary = run(given)
    planned = plan(given)
    assert planned.service.source == f"run {summary.run_id} of {summary.started_at}"
    assert planned.service.seconds == pytest.approx(0.05, rel=0.5)
    found = planned.forecast
    assert found.seconds == pytest.approx(2 * planned.service.seconds)  # 10 rows, 8 at once
    assert found.instance_hours == pytest.approx(2 * found.seconds / 3_600)
    assert found.instance_dollars == pytest.approx(found.instance_hours * 0.115)
    named = plan(given, service_s=7.0)
    assert (named.service.seconds, named.service.source) == (7.0, "--service-s")
    assert named.forecast.seconds == 14.0


@pytest.mark.parametrize("named", ["runs/", "runs/tonight"])
def test_the_last_run_is_looked_for_where_a_run_puts_its_directory(monkeypatch, config, tmp_path, named):
    in_memory(monkeypatch, settings())
    given = config(run={"dir": f"{tmp_path}/{named}"})
    summary = run(given)
    assert plan(given).service.source == f"run {summary.run_id} of {summary.started_at}"


def test_an_endpoint_at_zero_is_said_to_be(monkeypatch, config):
    in_memory(monkeypatch, settings(instances=0))
    planned = plan(config(), service_s=1.0)
    assert planned.exit is Exit.OK
    assert any("has no instance now" in text for text in planned.warnings)
    assert planned.forecast.seconds is None
    assert any("the endpoint has none now" in text for text in planned.forecast.unknown)


@pytest.mark.parametrize(
    ("more", "name", "words"),
    [
        ({"asynchronous": False}, "simulated", "is not asynchronous"),
        ({"status": "Creating"}, "simulated", "is Creating, not InService: wait for it"),
        ({"status": "Failed"}, "simulated", "is Failed, not InService"),
        ({}, "other", "Could not find endpoint"),
    ],
)
def test_an_endpoint_that_takes_no_row_is_told_with_all_the_rest(monkeypatch, config, more, name, words):
    in_memory(monkeypatch, settings(**more))
    planned = plan(config(endpoint={"name": name}))
    assert words in planned.refused
    assert (planned.exit, planned.rows.sendable, planned.not_asked) == (Exit.PRECONDITION, 10, ())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CallError(Phase.REPLY, "AccessDeniedException", status=400), "may not describe it"),
        (CallError(Phase.REPLY, "ExpiredTokenException", status=400), "sagemaker:DescribeEndpoint"),
    ],
)
def test_what_aws_does_not_tell_is_said_and_left_out(monkeypatch, config, error, words):
    account = in_memory(monkeypatch, settings())

    asked = []

    async def describe(name):
        asked.append(name)
        raise error

    monkeypatch.setattr(account.cloud.control, "describe", describe)
    monkeypatch.setattr(
        "fanout.commands.plan.LOOK_PATIENCE_S", 0.0
    )  # a person waits for it, a run would for minutes
    planned = plan(config(), service_s=1.0)
    assert (planned.exit, planned.refused, planned.rows.sendable) == (Exit.OK, None, 10)
    assert [words in said for said in planned.not_asked] == [True]
    assert (planned.described, planned.forecast.seconds, len(asked)) == (None, None, 1)


def without_aws(monkeypatch):
    def open_cloud(_settings):
        raise RunError("No AWS credentials: set AWS_PROFILE")

    monkeypatch.setattr("fanout.runtime.session.open_cloud", open_cloud)


def test_without_aws_the_input_is_read_all_the_same(monkeypatch, config, tmp_path):
    without_aws(monkeypatch)
    given = config(
        **with_bad_rows(tmp_path), endpoint={"region": "eu-west-1"}, output={}, pacing={"rate": 2.0}
    )
    planned = plan(given)
    assert (planned.rows.sendable, planned.exit) == (8, Exit.ROWS_FAILED)
    assert planned.not_asked == ("No AWS credentials: set AWS_PROFILE",)
    assert [said.partition(":")[0] for said in planned.lacking] == [
        "no output",
        "no endpoint",
    ]  # and a region is named
    assert planned.forecast.rate_s == 3.5
    assert planned.dollars == pytest.approx(8 * 5.9e-6 + 10 * 0.4e-6)


def test_a_region_that_is_missing_is_said_once(monkeypatch, config, tmp_path):
    bare_environment(monkeypatch, tmp_path)
    planned = plan(config(endpoint={}, output={}))
    assert [said for said in planned.not_asked if said.startswith("No AWS region")] == list(planned.not_asked)
    assert [said.partition(":")[0] for said in planned.lacking] == ["no output", "no endpoint"]


def test_an_input_in_s3_needs_aws(monkeypatch, config):
    without_aws(monkeypatch)
    with pytest.raises(RunError, match="No AWS credentials"):
        plan(config(input={"paths": ["s3://bucket/rows.jsonl"]}))


@pytest.mark.parametrize("reach", [in_memory, without_aws])
def test_standard_input_is_read_once_and_said_to_be_gone(monkeypatch, config, reach):
    reach(monkeypatch)
    with piped(b'{"n": 1}\n{"n": 2}\n'):
        planned = plan(config(input={"paths": ["-"]}))
    assert planned.rows.sendable == 2
    assert planned.warnings == ("standard input has been read: the run needs its rows once more",)


@pytest.mark.parametrize(
    ("sections", "error", "words"),
    [
        ({"input": {}}, UsageError, "^no input: name files"),
        ({"input": {"paths": ["/nowhere.jsonl"]}}, InputError, "/nowhere.jsonl"),
        ({"transport": {"mode": "s3"}}, UsageError, "name a place for them: --input-prefix"),
        ({"output": {"path": "gs://bucket/out.parquet"}}, UsageError, "outputs are files here or in S3"),
        ({"run": {"dir": "s3://bucket"}}, UsageError, "names no place for a run"),
        ({"run": {"processes": 2}, "pacing": {"window": 1}}, UsageError, "pacing.window = 1"),
        ({"payload": {"column": "nothing"}}, UsageError, "nothing"),
    ],
)
@pytest.mark.parametrize("reach", [in_memory, without_aws])
def test_what_the_run_would_refuse_it_refuses(monkeypatch, config, sections, error, words, reach):
    reach(monkeypatch)
    with pytest.raises(error, match=words):
        plan(config(**sections))


def test_a_host_whose_disk_goes_with_its_task_is_told_as_by_a_run(monkeypatch, config):
    in_memory(monkeypatch)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(UsageError, match="KUBERNETES_SERVICE_HOST is set"):
        plan(config(output={"path": "s3://simulated/out.parquet"}))


def test_a_scheduled_run_is_planned_for_its_date_and_said_to_take_what_is_new_alone(
    monkeypatch, config, tmp_path
):
    in_memory(monkeypatch)
    write_jsonl(tmp_path / "2026-11-30.jsonl", [{"n": 1}])
    paths = [f"{tmp_path}/{{date:%Y-%m-%d}}.jsonl"]
    planned = plan(config(input={"paths": paths, "since": "last"}, run={"date": "2026-11-30"}))
    assert planned.rows.rows == 1
    assert [text for text in planned.warnings if "input.since" in text] != []


@pytest.mark.parametrize("service_s", [-1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(monkeypatch, config, service_s):
    in_memory(monkeypatch)
    with pytest.raises(UsageError, match=r"--service-s \S+: should be a number of seconds, at least 0"):
        plan(config(), service_s=service_s)


def test_an_endpoint_without_topics_is_asked_for_no_message(monkeypatch, config):
    in_memory(monkeypatch, settings(notifications={"enabled": False}))
    planned = plan(config())
    assert (planned.requests.publishes, planned.requests.sqs) == (0, 0)
    assert {call.name: call.count for call in planned.calls() if call.name.startswith(("sns", "sqs"))} == {
        "sns:Publish": 0, "sqs:SendMessage": 0, "sqs:ReceiveMessage": 0, "sqs:DeleteMessageBatch": 0,
    }  # fmt: skip
    in_memory(monkeypatch, settings())
    planned = plan(config(collect={"notifications": False}))
    assert (planned.requests.publishes, planned.requests.sqs) == (10, 0), "the topic is told all the same"
    assert {call.name: call.count for call in planned.calls() if call.name.startswith(("sns", "sqs"))} == {
        "sns:Publish": 10, "sqs:SendMessage": 0, "sqs:ReceiveMessage": 0, "sqs:DeleteMessageBatch": 0,
    }  # fmt: skip


def test_its_json_has_what_the_page_documents(monkeypatch, config, tmp_path):
    in_memory(monkeypatch, settings())
    page = (Path(__file__).parents[3] / "docs" / "plan.md").read_text(encoding="utf-8")
    planned = plan(config(**with_bad_rows(tmp_path), pacing={"rate": 10.0}), service_s=1.0, show=1).as_dict()
    assert planned["by_transport"] == {"inline": 8}
    assert planned["rejected"][0] == {
        "code": "InvalidJSON",
        "count": 2,
        "example": planned["rejected"][0]["example"],
    }
    assert planned["requests"]["sagemaker:InvokeEndpointAsync"] == 8
    assert (planned["rate_seconds"], planned["seconds"]) == (0.7, 1.7)
    assert planned["first_rows"] == [
        {
            "row": 0, "id": None, "transport": "inline", "location": None, "payload_bytes": 8, "payload": '{"n": 0}',
            "payload_encoding": "utf-8", "options": {"content_type": "application/json"},
        }
    ]  # fmt: skip
    table = "".join(line for line in page.splitlines() if line.startswith("| `"))
    assert {key for key in planned if f"`{key}`" not in table} == set()
    assert not (tmp_path / RUNS).exists()
