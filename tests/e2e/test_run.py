"""The real command against the local AWS: what a person runs, what comes back, what a wrong word says."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.audit import audit, busiest_second, sha256
from support.cli import environment, fanout, local_aws, write_jsonl

from fanout.domain.prices import Prices
from fanout.engine.pacing import CATCH_UP_S
from fanout.report.build import report_of


@pytest.fixture(scope="module")
def aws():
    with local_aws(
        "service_time.median_s=0.05", "concurrency_per_instance=200", "verify_signatures=true"
    ) as running:
        yield running


def said(done, code):
    """The summary of a command that ended with `code`, after looking at what it said."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout else None


def test_jsonl_lines_are_the_payloads(tmp_path):
    lines = write_jsonl(tmp_path / "in.jsonl", [{"question": f"{n} ± {n}", "n": n} for n in range(400)])
    done = fanout("run", tmp_path / "in.jsonl", "--local", "-o", tmp_path / "out.parquet", "--json")
    summary = said(done, 0)
    table = pq.read_table(tmp_path / "out.parquet")
    audit(table, lines, statuses={"succeeded": 400})
    assert set(table["transport"].to_pylist()) == {"inline"}
    assert summary["rows"] == 400
    assert summary["by_status"] == {"succeeded": 400}
    report = report_of([str(tmp_path / "out.parquet")], Prices())
    assert report.timeline.seconds == summary["rows_seconds"], "the summary agrees with the report"
    told = {
        line.phase: {name: round(getattr(line, name), 3) for name in ("p50", "p90", "p99", "max")}
        for line in report.spreads
    }
    assert told == summary["latency_ms"]
    assert summary["simulated"] is True
    assert summary["payload_bytes"] == sum(map(len, lines))


def test_parquet_column_verbatim_with_kept_columns(tmp_path):
    rng = random.Random(1)
    blobs = [rng.randbytes(rng.choice([0, 1, 5_000, 127_999, 128_000, 128_001, 300_000])) for _ in range(40)]
    table = pa.table(
        {
            "name": [f"image-{n}" for n in range(40)],
            "image": blobs,
            "content_type": ["image/jpeg", "image/png"] * 20,
            "score": pa.array([n / 4 if n % 5 else None for n in range(40)], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=7)
    done = fanout(
        "run", tmp_path / "in.parquet", "--local", "-o", tmp_path / "out.parquet", "--payload-column", "image",
        "--id-column", "name", "--content-type-column", "content_type", "--keep", "score,content_type", "--json",
    )  # fmt: skip
    said(done, 0)
    found = pq.read_table(tmp_path / "out.parquet")
    audit(found, blobs, statuses={"succeeded": 40})
    assert found["id"].to_pylist() == table["name"].to_pylist()
    assert found["score"].combine_chunks() == table["score"].combine_chunks()
    answered = [json.loads(response)["content_type"] for response in found["response"].to_pylist()]
    assert answered == table["content_type"].to_pylist()
    large = sum(len(blob) > 128_000 for blob in blobs)
    assert large > 0
    assert Counter(found["transport"].to_pylist()) == {"inline": 40 - large, "s3": large}


def test_bytes_count_not_characters(tmp_path):
    texts = ["é" * 64_000, "é" * 64_000 + "x"]  # 128,000 and 128,001 bytes
    pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
    done = fanout(
        "run", tmp_path / "in.parquet", "--local", "-o", tmp_path / "out.parquet", "--payload-column", "text"
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["transport"].to_pylist() == ["inline", "s3"]
    assert table["payload_bytes"].to_pylist() == [128_000, 128_001]


def test_the_rate_holds_from_the_first_second(aws, tmp_path):
    lines = write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(600)])
    done = fanout(
        "run", tmp_path / "in.jsonl", "--endpoint", aws.endpoint, "-o", tmp_path / "out.parquet",
        "--rate", 200, "--json", env=aws.env,
    )  # fmt: skip
    summary = said(done, 0)
    assert summary["simulated"] is True, "a local AWS says so itself, started here or elsewhere"
    log = aws.of(summary["run"])
    audit(pq.read_table(tmp_path / "out.parquet"), lines, accepted=log, statuses={"succeeded": 600})
    table = pq.read_table(tmp_path / "out.parquet", columns=["row", "due_at", "sent_at"]).to_pylist()
    due, sent = ({row["row"]: row[name].timestamp() for row in table} for name in ("due_at", "sent_at"))
    ordered = sorted(due, key=due.__getitem__)
    # Each is due 5 ms after the one before, or it left so late that the schedule was put back: no third thing, and no
    # rate that is a little off. The output has microseconds.
    for earlier, later in pairwise(ordered):
        on_time = due[earlier] + 0.005
        assert abs(due[later] - on_time) < 3e-6 or due[later] > on_time < sent[later] - CATCH_UP_S + 3e-6
    assert all(due[row] <= sent[row] for row in due), "nothing leaves before it is due"
    # Two of each hundred more, as timers wake late; and a server that stood still finds what came meanwhile.
    assert busiest_second(list(sent.values())) <= 204
    under_way = [line["arrived_at"] - sent[line["row"]] for line in log]
    arrivals = [line["arrived_at"] for line in log]
    assert busiest_second(arrivals) <= 204 * (1 + max(under_way) - min(under_way))


def test_nothing_is_left_behind_on_aws(aws, tmp_path):
    blobs = [b"x" * 200_000, b"y" * 10]
    pq.write_table(pa.table({"blob": blobs}), tmp_path / "in.parquet")
    done = fanout(
        "run", tmp_path / "in.parquet", "--endpoint", aws.endpoint, "-o", tmp_path / "out.parquet",
        "--payload-column", "blob", "--input-prefix", f"s3://{aws.bucket}/inputs", "--json", env=aws.env,
    )  # fmt: skip
    said(done, 0)
    requests = aws.stats()["requests"]
    assert requests["DeleteQueue"] >= 1
    assert requests["Unsubscribe"] >= 2
    assert requests["DeleteObjects"] >= 1


def test_rows_that_fail_are_rows_and_the_exit_code_says_so(tmp_path):
    lines = [b'{"n": 1}', b"not json", b'{"n": 3}', b"[1, 2]", b'{"n": 5}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    done = fanout("run", tmp_path / "in.jsonl", "--local", "-o", tmp_path / "out.parquet", "--json")
    summary = said(done, 3)
    table = pq.read_table(tmp_path / "out.parquet")
    audit(table, [lines[0], None, lines[2], None, lines[4]], statuses={"succeeded": 3, "rejected": 2})
    messages = table["error_message"].to_pylist()
    assert "in.jsonl:2" in messages[1]
    assert "in.jsonl:4" in messages[3]
    assert {error["code"]: error["count"] for error in summary["errors"]} == {
        "InvalidJSON": 1,
        "NotAnObject": 1,
    }


def test_standard_input_and_a_dataset_of_parts(tmp_path):
    text = "".join(f'{{"n": {n}}}\n' for n in range(50))
    done = fanout("run", "-", "--local", "-o", f"{tmp_path}/out/", "--keep", "n", input=text)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").is_dir()
    assert pq.read_table(tmp_path / "out")["n"].to_pylist() == list(range(50))


def test_in_an_interpreter_of_its_own(tmp_path):
    """The other runs are forked from a process that has imported the program."""
    done = subprocess.run(
        [sys.executable, "-m", "fanout.cli", "run", "-", "--local", "-o", "out.parquet", "--json"],
        input='{"n": 1}\nnot json\n', cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said(done, 3)["by_status"] == {"succeeded": 1, "rejected": 1}
    assert pq.read_table(tmp_path / "out.parquet")["status"].to_pylist() == ["succeeded", "rejected"]


def test_a_row_may_name_an_object_that_is_there(aws, tmp_path):
    import boto3

    session = {
        "aws_access_key_id": aws.env["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": aws.env["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": aws.env["AWS_SESSION_TOKEN"],
    }
    s3 = boto3.client("s3", endpoint_url=aws.url, region_name=aws.env["AWS_REGION"], **session)
    s3.put_object(Bucket=aws.bucket, Key="there/already", Body=b"an object")
    s3.close()
    puts = aws.stats()["requests"]["PutObject"]
    write_jsonl(tmp_path / "in.jsonl", [{"at": f"s3://{aws.bucket}/there/already"}])
    done = fanout(
        "run", tmp_path / "in.jsonl", "--endpoint", aws.endpoint, "-o", tmp_path / "out.parquet",
        "--location-column", "at", env=aws.env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = pq.read_table(tmp_path / "out.parquet").to_pylist()[0]
    assert line["transport"] == "existing"
    assert json.loads(line["response"])["bytes"] == len(b"an object")
    assert aws.stats()["requests"]["PutObject"] == puts, "it was there: nothing is uploaded"


def test_what_came_of_standard_input_can_be_exported_and_nothing_else_is_promised(tmp_path, aws):
    lines = "".join(f'{{"n": {n}}}\n' for n in range(200))
    command = (
        "run",
        "-",
        "--endpoint",
        aws.endpoint,
        "--rate",
        20,
        "--deadline",
        2,
        "--run-dir",
        "rd",
        "-o",
        "o.parquet",
    )
    done = fanout(*command, env=aws.env, cwd=tmp_path, input=lines)
    assert done.returncode == 7, done.stderr
    assert "standard input cannot be read again; `fanout export " in done.stderr
    assert "fanout resume" not in done.stderr
    assert fanout("export", "rd", "-o", "some.parquet", cwd=tmp_path).returncode == 0
    assert 1 <= pq.read_metadata(tmp_path / "some.parquet").num_rows < 200


def test_rows_that_failed_are_sent_once_more_under_their_own_ordinals(tmp_path):
    lines = write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(200)])
    (tmp_path / "flaky.toml").write_text(
        "[retry]\ngenerations = 0\n[local]\nenabled = true\n[local.simulator]\nfailure_share = 0.3\n"
    )
    first = fanout(
        "run", "in.jsonl", "-c", "flaky.toml", "-o", "a.parquet", "--run-dir", "run", "--json", cwd=tmp_path
    )
    summary = said(first, 3)
    failed = summary["by_status"]["failed"]
    assert 20 < failed < 120
    second = fanout("retry", "run", "-o", "b.parquet", "--json", cwd=tmp_path)
    assert second.returncode in {0, 3}, second.stderr
    before, after = (pq.read_table(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    wanted = [line["row"] for line in before.to_pylist() if line["status"] == "failed"]
    assert after["row"].to_pylist() == wanted
    for line in after.to_pylist():
        if line["status"] == "succeeded":
            assert json.loads(line["response"])["sha256"] == sha256(lines[line["row"]])
    third = fanout("retry", "run", "-o", "b.parquet", cwd=tmp_path)
    assert third.returncode == 2
    assert "exists" in third.stderr
    fourth = fanout("retry", "run", "-o", "a.parquet", "--overwrite", cwd=tmp_path)
    assert fourth.returncode == 2
    assert "a.parquet is the output of that run" in fourth.stderr
    assert pq.read_table(tmp_path / "a.parquet").equals(before)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["in.jsonl"], 2, "no output"),
        (["-o", "out.parquet"], 2, "no input"),
        (["nowhere.jsonl", "--local", "-o", "out.parquet"], 2, "nowhere.jsonl: no such file"),
        (["in.jsonl", "--local", "-o", "in.jsonl"], 2, "is the input"),
        (["in.jsonl", "--local", "-o", "there.parquet"], 2, "exists"),
        (["in.jsonl", "--local", "-o", "out.parquet", "--payload-fields", "quetsion"], 2, "'question'"),
        (["in.jsonl", "--local", "-o", "out.parquet", "--rate", "-1"], 2, "pacing.rate"),
        (
            ["in.jsonl", "--local", "-o", "out.parquet", "--transport", "pigeon"],
            2,
            "'auto', 'inline' or 's3'",
        ),
        (["in.jsonl", "-o", "out.parquet"], 2, "no endpoint"),
        (["in.jsonl", "-o", "out.parquet", "--endpoint", "e"], 4, "No AWS region"),
        (
            ["in.jsonl", "-o", "out.parquet", "--endpoint", "e", "--region", "eu-west-1"],
            4,
            "No AWS credentials",
        ),
        (["-c", "nowhere.toml"], 2, "nowhere.toml"),
        (["-c", "typo.toml"], 2, "did you mean 'concurrency'?"),
        (["--no-such-flag"], 2, "No such option"),
    ],
)
def test_a_wrong_word_names_itself_and_the_next_step(tmp_path, arguments, code, words):
    write_jsonl(tmp_path / "in.jsonl", [{"question": "?"}])
    (tmp_path / "there.parquet").write_bytes(b"something")
    (tmp_path / "typo.toml").write_text("[transport]\nconcurency = 3\n")
    done = fanout("run", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_endpoint_that_is_not_there(aws, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    done = fanout("run", "in.jsonl", "--endpoint", "nobody", "-o", "out.parquet", env=aws.env, cwd=tmp_path)
    assert done.returncode == 4
    assert "nobody" in done.stderr
    assert not (tmp_path / ".fanout").exists(), "a run that never began leaves no directory"


def test_help_answers_without_loading_the_engine():
    script = (
        "import sys\nfrom fanout.cli import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('aiobotocore', 'pyarrow', 'anyio', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--input-prefix" in done.stdout


def test_fields_of_responses_are_columns_and_what_lacks_one_is_sent_again_by_retry(tmp_path, aws):
    lines = write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(20)])
    (tmp_path / "job.toml").write_text(
        '[output]\nresponse = "json"\n[output.fields]\n'
        'payload = "$.sha256"\nrow_number = { path = "$.row", type = "int16" }\n'
    )
    run = ("run", tmp_path / "in.jsonl", "--endpoint", aws.endpoint, "-o", tmp_path / "out.parquet", "--json")
    summary = said(fanout(*run, "-c", tmp_path / "job.toml", env=aws.env), 0)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["payload"].to_pylist() == [sha256(line) for line in lines]
    assert table["row_number"].cast("int64").equals(table["row"])
    assert [json.loads(text)["row"] for text in table["response"].to_pylist()] == list(range(20))

    with (tmp_path / "job.toml").open("a") as file:
        file.write('wrong = { path = "$.bytes", type = "string" }\n')
    summary = said(
        fanout(*run, "-c", tmp_path / "job.toml", "--overwrite", "--processes", "2", env=aws.env), 3
    )
    assert summary["by_status"] == {"invalid": 20}
    assert [(error["code"], error["count"]) for error in summary["errors"]] == [("FieldType", 20)]
    table = pq.read_table(tmp_path / "out.parquet")
    reasons = {f"wrong: at $.bytes, {size} is not string" for size in map(len, lines)}
    assert set(table["error_message"].to_pylist()) == reasons
    kept = [json.loads(text)["sha256"] for text in table["response"].to_pylist()]
    assert kept == [sha256(line) for line in lines]
    again = ("retry", summary["run_dir"], "-o", tmp_path / "again.parquet", "--json")
    assert said(fanout(*again, env=aws.env), 3)["by_status"] == {"invalid": 20}
