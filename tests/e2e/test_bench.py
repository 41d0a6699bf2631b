"""The real `fanout bench` against the local AWS: what it finds, what a stall and an overload look like, exit codes."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import contextmanager
from statistics import median

import duckdb
import pyarrow.parquet as pq
import pytest
from support.cli import environment, fanout, local_aws, write_jsonl
from support.fork_server import Started

PATIENT = {"FANOUT_BENCH_LATE_MS": "10000"}
"""CI's two cores are shared: it is not to refuse numbers for that. How late it may be is asserted beside the loop's."""

QUICK = ("--local", "--rate", 60, "--pairs", 20, "--warmup", 6, "--sizes", "1KB,32KB", "--json")


def said(done, code=0):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick experiment: what it said, and where its files are."""
    directory = tmp_path_factory.mktemp("bench")
    return fanout("bench", *QUICK, "-o", directory, env=PATIENT), directory


def test_it_finds_the_upload_that_inline_saves_and_says_that_it_is_simulated(quick):
    done, directory = quick
    found = said(done)
    upload, total, raw = (found["all"]["phases"][name] for name in ("upload", "total", "raw"))
    # The simulator's S3 takes 100 ms, sigma 0.4: medians of 40 are within 25 % nearly always. A busy machine adds to
    # the upload what it adds to the request that it is a part of, and a request is no longer than the experiment.
    assert upload["difference"]["median"] > 75
    assert 1 / 1.5 < upload["difference"]["median"] / raw["difference"]["median"] < 1.5
    rows = pq.read_table(directory / "bench.parquet", columns=["due_at", "fetched_at"]).to_pylist()
    took = max(row["fetched_at"] for row in rows) - min(row["due_at"] for row in rows)
    assert total["s3"]["max"] < 1000 * took.total_seconds()
    client = found["client"]
    # Half of the sends are not later than what counts as late by default, beyond the worst of the loop itself: single
    # ones may be, for the disk that the journal waits for.
    assert client["late_p50_ms"] <= 10 + client["lag_max_ms"]
    assert total["difference"]["low"] > 0
    assert found["crossing"]["kind"] == "inline"
    assert found["simulated"] is True
    assert "simulated: these numbers are of the local AWS" in done.stderr
    assert done.stderr.count("(simulated)") == 2, "every table says it"
    assert found["savings_per_million"]["dollars"] == 5.4
    assert [group["label"] for group in found["groups"]] == ["1 KB", "32 KB"]
    assert json.loads((directory / "bench.json").read_text()) == found


def test_its_numbers_are_those_of_its_file(quick):
    done, directory = quick
    found = said(done)
    path = directory / "bench.parquet"
    assert pq.read_metadata(path).num_rows == 2 * (6 + 2 * 20)
    rows = duckdb.sql(
        f"""with good as (select * from '{path}' where not bench_warmup and status = 'succeeded')
            select phase.total_ms, median(s3.total_ms - phase.total_ms) over ()
            from good phase join good s3 using (bench_pair)
            where phase.transport = 'inline' and s3.transport = 's3'"""
    ).fetchall()
    assert found["pairs"] == len(rows) == 40
    assert found["all"]["phases"]["total"]["difference"]["median"] == pytest.approx(rows[0][1], abs=1e-3)
    inline = duckdb.sql(
        f"""select quantile_cont(total_ms, [0.5, 0.9, 0.99]), max(total_ms) from '{path}'
            where not bench_warmup and transport = 'inline'"""
    ).fetchall()[0]
    total = found["all"]["phases"]["total"]["inline"]
    assert [total["p50"], total["p90"], total["p99"]] == pytest.approx(inline[0], abs=1e-3)
    assert total["max"] == pytest.approx(inline[1], abs=1e-3)


def test_a_baseline_a_condition_and_the_exit_code(quick, tmp_path):
    _, directory = quick
    done = fanout(
        "bench", *QUICK, "--seed", 2, "-o", tmp_path, "--baseline", directory / "bench.json",
        "--fail-if", "inline.total.p50 > baseline * 50", "--fail-if", "s3.upload.p50 > 20ms",
        env=PATIENT,
    )  # fmt: skip
    found = said(done, 3)
    checks = {check["text"]: check["holds"] for check in found["checks"]}
    assert checks == {
        "inline.total.p50 > baseline * 50": False,
        "s3.upload.p50 > 20ms": True,
        "failures > 1%": False,
    }
    assert "FAILED: --fail-if 's3.upload.p50 > 20ms'" in done.stderr
    assert found["baseline"]["differs_in"] == []
    changes = {(each["group"], each["way"], each["phase"]): each for each in found["baseline"]["changes"]}
    change = changes["all sizes", "s3", "upload"]
    assert change["now"] - change["before"] == pytest.approx(change["change"]["median"], abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--fail-if", "invok.p99 > 80ms"],
            "column 1: 'invok.p99' is not known here; did you mean 'invoke'?",
        ),
        (["--fail-if", "total.p50@3KB > 1ms"], "no payload of 3 KB will be tried, only 1 KB, 8 KB"),
        (["--fail-if", "total.p50 > 1,5ms"], "column 13: '1,5ms' is not a duration with its unit"),
        (["--baseline", "nowhere.json"], "--baseline nowhere.json: no such file or directory"),
        (["--sizes", "1KB,200KB"], "'200KB' is not a size between 1 and 128,000 bytes"),
        (["--arrivals", "bursty"], "bench.arrivals"),
    ],
)
def test_a_question_that_is_none_is_refused_before_anything_is_sent(tmp_path, arguments, words):
    done = fanout("bench", "--local", "-o", tmp_path / "out", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert not list(tmp_path.glob("out/*"))


def test_results_are_not_overwritten_by_accident(tmp_path):
    (tmp_path / "bench.json").write_text("{}")
    done = fanout("bench", "--local", "-o", tmp_path)
    assert done.returncode == 2
    assert "--overwrite" in done.stderr
    assert (tmp_path / "bench.json").read_text() == "{}"


def test_a_dataset_goes_both_ways_where_it_can(tmp_path):
    rows = [{"text": "x" * size} for size in (10, 500, 129_000, 40_000, 10, 10, 10, 10, 10, 10, 10, 10, 10)]
    write_jsonl(tmp_path / "in.jsonl", rows)
    done = fanout(
        "bench",
        tmp_path / "in.jsonl",
        "--local",
        "--rate",
        60,
        "--warmup",
        3,
        "-o",
        tmp_path / "out",
        "--json",
        env=PATIENT,
    )
    found = said(done)
    assert found["skipped"] == {"too large to go inline": 1}
    assert found["pairs"] == 12
    sent = pq.read_table(tmp_path / "out" / "bench.parquet", columns=["bench_warmup"])
    assert sent["bench_warmup"].to_pylist() == [True] * 6 + [False] * 24
    assert "rows of the input left out: 1 too large to go inline" in done.stderr


@pytest.mark.campaign
def test_an_overloaded_client_says_so_instead_of_numbers(tmp_path):
    done = fanout(
        "bench", "--local", "--rate", 200, "--concurrency", 1, "--pairs", 30, "--warmup", 4, "--sizes", "1KB",
        "-o", tmp_path, "--json",
    )  # fmt: skip
    found = said(done, 3)
    assert found["valid"] is False
    assert found["client"]["limit"] == "client"
    assert (found["all"], found["groups"], found["savings_per_million"]) == (None, [], None)
    assert "NOT MEASURED: this client was the limit" in done.stderr
    assert "p50" not in done.stderr
    report = fanout("report", tmp_path / "bench.parquet")
    assert "Not measured: the client was the limit" in report.stdout
    whole = fanout("report", tmp_path)
    assert (whole.stdout, whole.stderr) == (report.stdout, ""), "its directory holds a bench.json, too"
    assert "p50" not in report.stdout


@contextmanager
def measuring(directory, aws, *more):
    """Run an experiment that has sent some requests; what it says goes to `stdout` and `stderr` in `directory`."""
    command = ["bench", "--endpoint", aws.endpoint, "--sizes", "1KB", "--json", "-o", str(directory), *more]
    command += ["--input-prefix", f"s3://{aws.bucket}/inputs"]
    with (directory / "stdout").open("w+b") as out, (directory / "stderr").open("w+b") as err:
        env = environment(**aws.env, **PATIENT)
        with Started(*command, stdout=out, stderr=err, env=env) as process:
            while aws.stats()["requests"].get("InvokeEndpointAsync", 0) < 60:
                assert process.poll() is None
            yield process
            process.wait(100)


def test_an_experiment_that_was_interrupted_says_so_by_its_exit_code(tmp_path):
    with (
        local_aws("service_time.median_s=0.03") as aws,
        measuring(tmp_path, aws, "--rate", "40", "--pairs", "5000") as process,
    ):
        process.send_signal(signal.SIGINT)
    assert process.returncode == 75, (tmp_path / "stderr").read_text()
    found = json.loads((tmp_path / "stdout").read_text())
    assert (found["stopped"], found["exit_code"]) == ("SIGINT came", 75)
    assert (tmp_path / "bench.parquet").exists()


@pytest.mark.campaign
def test_a_client_stalled_for_two_seconds_shows_from_the_due_time_and_not_raw(tmp_path):
    plan = ("--rate", "60", "--pairs", "190", "--warmup", "6", "--arrivals", "constant")
    with (
        local_aws("service_time.median_s=0.03", "concurrency_per_instance=200") as aws,
        measuring(tmp_path, aws, *plan) as process,
    ):
        process.send_signal(signal.SIGSTOP)
        # The stall itself: nothing can be waited for in a process that stands still.
        threading.Event().wait(2.0)
        process.send_signal(signal.SIGCONT)
    out, err = ((tmp_path / name).read_text() for name in ("stdout", "stderr"))
    assert process.returncode == 0, err
    found = json.loads(out)
    total, raw = (found["all"]["phases"][name]["inline"] for name in ("total", "raw"))
    # 120 of 380 requests were due in those two seconds: from the due time, every fourth waited half a second or more.
    assert total["p90"] > 900
    assert raw["p90"] < 0.6 * total["p90"]
    assert total["max"] > 1_900
    assert found["client"]["late_max_ms"] > 1_800
    assert any(
        " s once: latencies from the due time hold that" in each for each in found["client"]["warnings"]
    )
    rows = pq.read_table(tmp_path / "bench.parquet", columns=["wait_ms", "invoke_ms"]).to_pylist()
    late = [row for row in rows if row["wait_ms"] > 500]
    assert len(late) > 60
    # Those that were due in the stall were sent after it: their own requests saw little of it.
    assert median(row["invoke_ms"] for row in late) < 500 < median(row["wait_ms"] for row in late)
