"""Every benchmark runs, small: its samples add up, its figures follow from them, and the README says what they say."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


def benchmark(name, *arguments, code=0):
    """Run a benchmark to its end and return its stdout."""
    command = [sys.executable, BENCHMARKS / f"{name}.py", *arguments]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def figures(monkeypatch):
    """The module that makes figures of samples, as the scripts import it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import figures

    yield figures
    del sys.modules["figures"]


def run_of(contender, rows, seconds, cpu_s, *, number=0, peak=100, server=0.0):
    return {
        "contender": contender, "round": number, "rows": rows, "seconds": seconds, "cpu_s": cpu_s,
        "peak_bytes": peak, "server_cpu_s": server,
    }  # fmt: skip


def test_the_cost_of_a_row_is_the_slope_and_that_of_starting_the_rest(figures):
    few, many = (
        run_of("it", 1_000, 2.0, 1.5, server=0.5),
        run_of("it", 11_000, 4.0, 2.5, peak=200, server=1.5),
    )
    found = figures.cost([many, few])
    assert found.per_s == pytest.approx(5_000)
    assert found.cpu_us == pytest.approx(100)
    assert found.start_s == pytest.approx(1.4)
    assert found.peak_bytes == 200
    assert found.server_share == pytest.approx(0.5)


def test_ratios_are_taken_within_a_round(figures):
    # The machine is half as fast in the second round, for both: the ratio is 4 in either.
    samples = []
    for number, slow in enumerate((1, 2)):
        samples += [run_of("a", 0, 0, 0, number=number), run_of("a", 100, slow, 8 * slow, number=number)]
        samples += [run_of("b", 0, 0, 0, number=number), run_of("b", 100, slow, 2 * slow, number=number)]
    found = figures.costs(samples)
    assert figures.ratio(found["a"], found["b"], "cpu_us") == figures.Spread(4.0, 4.0, 4.0)
    assert figures.over_rounds(found["a"], "per_s") == figures.Spread(75.0, 50.0, 100.0)


def test_a_round_that_noise_has_turned_over_gives_no_ratio(figures):
    quick, slow = (
        [run_of("a", 1, 2.0, 1.0), run_of("a", 2, 1.0, 0.5)],
        [run_of("b", 1, 1, 1), run_of("b", 2, 2, 2)],
    )
    found = figures.costs([*quick, *slow])
    assert figures.ratio(found["a"], found["b"], "cpu_us") is None


def throughput(path, mode, *contenders):
    """Run the comparison, small; return what it said, its content, and the rows that each contender sent."""
    said = benchmark(
        "throughput", "--rounds", 1, "--scale", 0.01, "--payloads", 1_000, "--modes", mode, "--contenders",
        *contenders, "--json", path,
    )  # fmt: skip
    found, rows = json.loads(path.read_text()), {}
    for sample in found["samples"]:
        if sample["contender"] != "hashing":
            rows.setdefault(sample["contender"], []).append(sample["rows"])
            assert sample["mode"] == mode
            assert 0 < sample["cpu_s"] < 60
            assert sample["seconds"] > 0
            assert sample["peak_bytes"] > 10_000_000
    return said, found, rows


@pytest.mark.campaign
def test_throughput_submit_only(tmp_path):
    said, found, rows = throughput(tmp_path / "found.json", "submit", "fanout", "wrk")
    if shutil.which("wrk"):
        assert rows.pop("wrk")[0] > 100
    else:
        assert "wrk is not installed" in found["skipped"]["wrk"]
    assert rows == {"fanout": [20, 400]}
    assert "submit, 1,000 bytes" in said


@pytest.mark.campaign
@pytest.mark.parametrize("contenders", [{"boto3": [5, 30]}, {"aiobotocore": [5, 40], "fanout": [20, 400]}])
def test_throughput_end_to_end(tmp_path, contenders):
    # The SDK's environment takes a minute to make: its script is left to the benchmark itself.
    said, found, rows = throughput(tmp_path / "found.json", "end to end", *contenders)
    assert rows == contenders
    assert found["skipped"] == {}
    assert "end to end, 1,000 bytes" in said


@pytest.mark.campaign
def test_start(tmp_path):
    path = tmp_path / "start.json"
    said = benchmark("start", "--rounds", 2, "--json", path)
    samples = json.loads(path.read_text())["samples"]
    names = ["fanout", "fanout -q", "aiobotocore"]
    assert [sample["contender"] for sample in samples] == [*names, *names[1:], names[0]]
    assert all(0.1 < sample["cpu_s"] < 60 and sample["rows"] == 2 for sample in samples)
    assert "a run of 2 rows" in said
    ours = sorted(sample["cpu_s"] for sample in samples if sample["contender"] == "fanout")
    assert f"{sum(ours) / 2:.2f} ({ours[0]:.2f}-{ours[1]:.2f})" in said


@pytest.mark.campaign
def test_responses():
    lines = benchmark("responses", "--scale", 0.0001).splitlines()
    assert lines[:2] == ["| responses | client | peak | bound | seconds |", "|---|---|---:|---:|---:|"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [(first, client, bound) for first, client, _, bound, _ in cells] == [
        ("24 of 0.006 MB", "wire", "268 MB"),
        ("24 of 0.006 MB", "aiobotocore", "268 MB"),
        ("1 of 0.1 MB", "wire", "269 MB"),
        ("1 of 0.1 MB", "aiobotocore", "269 MB"),
    ]
    assert all(50 < int(peak.removesuffix(" MB")) < 268 for _, _, peak, *_ in cells)


@pytest.mark.campaign
def test_place(tmp_path):
    path = tmp_path / "place.json"
    said = benchmark("place", "--rounds", 1, "--scale", 0.0005, "--json", path)
    samples = json.loads(path.read_text())["samples"]
    assert {sample["contender"] for sample in samples} == {"sqlite", "s3"}
    assert all(bool(sample["segments"]) == (sample["contender"] == "s3") for sample in samples)
    assert "PUTs/s" in said
    assert "| s3, 500 a second |" in table_of(path)


@pytest.mark.campaign
def test_remote(tmp_path):
    path = tmp_path / "remote.json"
    said = benchmark("remote", "--rounds", 1, "--scale", 0.002, "--json", path)
    samples = json.loads(path.read_text())["samples"]
    inputs = [(each["format"], each["contender"]) for each in samples if each["kind"] == "input"]
    assert inputs == [("jsonl", "file"), ("jsonl", "s3"), ("parquet", "file"), ("parquet", "s3")]
    assert "parquet in S3 beside a file: " in said
    assert "output: 1 object of " in said
    assert "| until its upload is to be completed |" in table_of(path)


@pytest.mark.campaign
def test_bytes_read(tmp_path):
    """It leaves with 1 where more is read than is promised."""
    path = tmp_path / "bytes_read.json"
    said = benchmark("bytes_read", "--part", 0.2, "--json", path)
    samples = json.loads(path.read_text())["samples"]
    assert {sample["shards"] for sample in samples} == {None, 1, 8, 32, 64}
    assert all(sample["asked_bytes"] > 0.98 * sample["bytes"] for sample in samples)
    assert "1,000 files of 20 KB, not divided: 1.0" in said
    assert "| 1,000 files of 60 KB | 3.0%, beside the plan | 1.00" in table_of(path)


@pytest.mark.campaign
def test_merge(tmp_path):
    path = tmp_path / "merge.json"
    said = benchmark("merge", "--rows", 20_000, "--shards", 3, "--rounds", 1, "--json", path)
    samples = json.loads(path.read_text())["samples"]
    assert {sample["way"] for sample in samples} == {"one", "shards"}
    assert samples[0]["output_bytes"] == pytest.approx(samples[1]["output_bytes"], rel=0.05)
    assert "rows/s | CPU us a row | peak MB" in said


def table_of(results):
    """Return the page of figures that is made of one benchmark's results alone."""
    pages = [results.parent / "README.md", results.parent / "docs" / "figures.md"]
    pages[1].parent.mkdir()
    for page in pages:
        page.write_text("<!-- benchmark -->\n<!-- /benchmark -->\n")
    benchmark("table", "--results", results.parent, "--root", results.parent)
    return pages[1].read_text()


@pytest.mark.campaign
def test_journal(tmp_path):
    path = tmp_path / "journal.json"
    said = benchmark("journal", "--rounds", 1, "--scale", 0.0005, "--clients", "wire", "--json", path)
    samples = json.loads(path.read_text())["samples"]
    assert [(sample["contender"], sample["rows"]) for sample in samples] == [
        ("with", 20),
        ("without", 20),
    ]
    assert all(sample["cpu_s"] > 0 and sample["seconds"] > 0 for sample in samples)
    assert "wire" in said


@pytest.mark.campaign
def test_scale(tmp_path):
    path = tmp_path / "scale.json"
    benchmark(
        "scale",
        "--rounds",
        1,
        "--rows",
        50,
        "--windows",
        10,
        "--window-rows",
        60,
        "--per-s",
        500,
        "--pairs-of-short",
        1,
        "--json",
        path,
    )
    samples = json.loads(path.read_text())["samples"]
    assert [(sample["kind"], sample["value"], sample["rows"]) for sample in samples] == [
        ("rows", 50, 50),
        ("window", 10, 60),
    ]
    assert all(sample["cpu_s"] > 0 and sample["start_cpu_s"] > 0 for sample in samples)


@pytest.mark.campaign
def test_upload(tmp_path):
    path = tmp_path / "upload.json"
    size = 16 * 1024 * 1024  # goes in parts; two files at least, however small the scale
    benchmark(
        "upload", "--rounds", 1, "--scale", 0.01, "--sizes", size, "--uploaders", "fanout", "--json", path
    )
    samples = json.loads(path.read_text())["samples"]
    assert [(sample["payload_bytes"], sample["rows"]) for sample in samples] == [(size, 2), (size, 2)]
    assert all(sample["cpu_s"] > 0 for sample in samples)


@pytest.mark.campaign
@pytest.mark.parametrize("mode", ["submit", "end to end"])
def test_pacing(tmp_path, mode):
    path = tmp_path / "pacing.json"
    benchmark(*("pacing", "--rounds", 1, "--rates", 100, "--modes", mode, "--seconds", 2, "--json", path))
    [sample] = json.loads(path.read_text())["samples"]
    assert sample["rows"] == 200
    assert 0 <= sample["late_p50_ms"] <= sample["late_p99_ms"] <= sample["late_max_ms"]
    assert 0 <= sample["machine_p50_ms"] <= sample["machine_p99_ms"]
    assert -1 < sample["machine_error"] < 0.01
    assert -0.2 < sample["client_share"] < 2  # 200 rows take less than two starts differ by
    assert 0 < sample["server_share"] < 1
    # The schedule is put back by what left late alone; arrivals are off by that and by what was under way, too.
    assert sample["put_back_ms"] >= 0
    off_ms = sample["late_max_ms"] + sample["invoke_max_ms"]
    assert abs(sample["behind_ms"] - sample["put_back_ms"]) <= off_ms
    took_s = 1.99 + sample["behind_ms"] / 1000
    assert sample["error"] == pytest.approx(1.99 / took_s - 1, abs=1e-6)
    # The documented 2 %; a server that stood still finds at once what came meanwhile.
    assert 200 / math.ceil(took_s) <= sample["busiest_second"] <= 102 * (1 + sample["invoke_max_ms"] / 1000)


def test_throttled(tmp_path):
    path = tmp_path / "throttled.json"
    benchmark(*("throttled", "--rounds", 1, "--limits", 50, "--seconds", 4, "--json", path))
    samples = json.loads(path.read_text())["samples"]
    assert {sample["rule"] for sample in samples} == {"fanout", "adaptive"}
    small = {sample["rule"]: sample for sample in samples if sample["case"] == "50, burst 5"}
    assert 0.9 < small["fanout"]["first"] < 1.1
    assert small["adaptive"]["first"] < small["fanout"]["first"]
    shared = [sample for sample in samples if sample["case"] == "two on 50"]
    assert all(0 <= sample["less"] <= 0.5 for sample in shared)


@pytest.mark.campaign
def test_throttled_http(tmp_path):
    path = tmp_path / "throttled-http.json"
    asked = ("--rounds", 1, "--limits", 50, "--shares", 0.05, "--seconds", 4, "--json", path)
    benchmark("throttled_http", *asked)
    samples = {(each["rule"], each["case"]): each for each in json.loads(path.read_text())["samples"]}
    ours, theirs = (samples[rule, "50, burst 5"] for rule in ("fanout", "adaptive"))
    assert 0.8 * 50 < ours["per_s"] < 1.2 * 50
    assert 0 < theirs["per_s"] < 1.2 * 50
    assert ours["refused"] > 0
    free, some = samples["fanout", "nothing refused"], samples["fanout", "5% refused at random"]
    assert some["could_be_per_s"] == pytest.approx(0.95 * free["per_s"], rel=1e-3)
    assert "| 50, burst 5 |" in table_of(path)


SAMPLES = [
    {**run_of(name, rows, seconds, cpu_s, number=number, peak=150_000_000, server=seconds / 2)}
    | {"mode": "submit", "payload_bytes": 1_000}
    for number in (0, 1)
    for name, rows, seconds, cpu_s in (
        ("fanout", 0, 1.0, 1.0),
        ("fanout", 10_000, 2.0, 1.4),
        ("boto3", 0, 0.5, 0.5),
        ("boto3", 1_000, 2.5, 1.0 + number),
    )
]


def test_the_table_is_made_of_the_samples(tmp_path):
    hashing = {"contender": "hashing", "payload_bytes": 1_000, "cpu_s": 2.5e-6, "round": 0}
    results = {
        "machine": {
            "date": "2026-11-20", "cores": 2, "cpu": "a CPU", "system": "Linux", "python": "3.11.7",
            "load_before": [0.1],
        },
        "settings": {"rounds": 2, "payloads": [1_000], "titles": {"fanout": "fanout", "boto3": "boto3, threads"}},
        "skipped": {},
        "samples": [*SAMPLES, hashing],
    }  # fmt: skip
    (tmp_path / "throughput.json").write_text(json.dumps(results))
    pages = [tmp_path / "README.md", tmp_path / "docs" / "figures.md"]
    pages[1].parent.mkdir()
    for page in pages:
        page.write_text("before\n<!-- benchmark -->\nold\n<!-- /benchmark -->\nafter\n")
    where = ["--results", tmp_path, "--root", tmp_path]
    benchmark("table", *where, "--check", code=1)
    assert all("old" in page.read_text() for page in pages), "a check changes nothing"
    benchmark("table", *where)
    benchmark("table", *where, "--check")
    for page in pages:
        stale = page.read_text()
        page.write_text(stale.replace("20.0", "30.0"))
        benchmark("table", *where, "--check", code=1)
        page.write_text(stale)
    assert "| boto3, threads | 20.0x rate, 0.05x CPU |" in pages[0].read_text()
    assert "| **fanout** itself | 10,000/s, 40 µs, 150 MB |" in pages[0].read_text()
    lines = pages[1].read_text().splitlines()
    assert lines[:2] + lines[-2:] == ["before", "<!-- benchmark -->", "<!-- /benchmark -->", "after"]
    assert "| **fanout** | 10,000 | 40.0 | 1.00 | 1.00 | 1.00 | 150 | 50% |" in lines
    assert (
        "| boto3, threads | 500 | 1,000.0 (500.0 to 1,500.0) | 20.00 | 25.00 (12.50 to 37.50) | 0.50 | 150 | 50% |"
        in lines
    )
    assert "old" not in lines


def test_the_pages_say_what_the_results_say():
    benchmark("table", "--check")


def test_beats_keep_their_rate_and_say_how_late_they_were():
    said = json.loads(benchmark("beats", "--rate", 200, "--beats", 100, "--busy", 0.2, "--catch-up", 0.005))
    assert 0 <= said["p50_ms"] <= said["p99_ms"]
    assert -1 < said["error"] < 0.02, (
        "never early by more than the catch-up, which is a hundredth of the time"
    )
