"""Metrics of real runs: equal to the output file, read by a real Prometheus, and no run fails for them."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.cli import environment, fanout, write_jsonl
from support.fork_server import Started

HOUSE = Path(__file__).parents[2]
DASHBOARD = HOUSE / "configs/grafana/fanout.json"
ALERTS = HOUSE / "configs/prometheus/alerts.yml"
NAME = re.compile(r"\bfanout_[a-z0-9_]+")
PHASES = ("wait", "upload", "invoke", "service", "notify", "fetch", "total")

TROUBLED = """
[payload]
column = "image"
[pacing]
rate = 150
[collect]
quiet_s = 1.0
unknown_wait_s = 0.5
[retry]
generations = 0
[local]
enabled = true
[local.simulator]
seed = 7
failure_share = 0.1
notifications = { loss_share = 0.03, duplicate_share = 0.1 }
throttle = { rate_per_s = 60, burst = 5 }
faults = { reset_before_share = 0.03, reset_after_accept_share = 0.02, foreign_messages = 0.05 }
"""


def parsed(text):
    """(name, labels) -> value of every sample."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labelled(found, name, *labels, drop=("job",)):
    """The samples of `name` as {values of `labels`: value}."""
    result = {}
    for (each, pairs), value in found.items():
        if each == name:
            known = {key: text for key, text in pairs if key not in drop}
            result[tuple(known[label] for label in labels)] = value
    return result


def one(found, name):
    [value] = [value for (each, _), value in found.items() if each == name]
    return value


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A run with every kind of trouble: its metrics, output and summary, and the text file."""
    place = tmp_path_factory.mktemp("troubled")
    rng = random.Random(2)
    blobs = [rng.randbytes(rng.choice([1, 300, 5_000, 128_001])) for _ in range(200)]
    blobs[17] = blobs[100] = None
    pq.write_table(pa.table({"image": blobs}), place / "in.parquet")
    (place / "job.toml").write_text(TROUBLED)
    done = fanout(
        "run", "in.parquet", "-c", "job.toml", "-o", "out.parquet", "--metrics-textfile", "fanout.prom", "--json",
        cwd=place,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    text = (place / "fanout.prom").read_text()
    lines = pq.read_table(place / "out.parquet").to_pylist()
    return parsed(text), lines, json.loads(done.stdout), text


# The values


def test_rows_and_bytes_are_those_of_the_output(troubled):
    found, lines, _, _ = troubled
    for line in lines:
        line["transport"] = line["transport"] or "none"
    expected = Counter((line["transport"], line["status"]) for line in lines)
    assert len(expected) >= 5, "inline and S3, succeeded and failed, and rejected"
    assert labelled(found, "fanout_records_total", "transport", "status") == expected
    payloads, responses = Counter(), Counter()
    for line in lines:
        payloads[line["transport"],] += line["payload_bytes"]
        responses[line["transport"],] += len(line["response"] or b"")
    assert labelled(found, "fanout_payload_bytes_total", "transport") == payloads
    assert labelled(found, "fanout_response_bytes_total", "transport") == responses
    assert one(found, "fanout_rows_ended") == one(found, "fanout_input_rows") == len(lines) == 200


def test_durations_are_those_of_the_output(troubled):
    found, lines, _, _ = troubled
    written = defaultdict(list)
    for line in lines:
        for phase in PHASES:
            if line[f"{phase}_ms"] is not None:
                written[phase, line["transport"] or "none"].append(max(line[f"{phase}_ms"], 0.0) / 1000)
    counts = labelled(found, "fanout_request_duration_seconds_count", "phase", "transport")
    sums = labelled(found, "fanout_request_duration_seconds_sum", "phase", "transport")
    assert counts == {key: len(values) for key, values in written.items()}
    assert {phase for phase, _ in counts} == set(PHASES)
    for key, values in written.items():
        assert sums[key] == pytest.approx(sum(values), abs=1e-6 * len(values)), key
    buckets = labelled(found, "fanout_request_duration_seconds_bucket", "phase", "transport", "le")
    for (phase, transport, bound), count in buckets.items():
        values = written[phase, transport]
        # The output has microseconds: what stands within one of a bound may be on either side of it.
        fewest = sum(value <= float(bound) - 2e-6 for value in values)
        most = sum(value <= float(bound) + 2e-6 for value in values)
        assert fewest <= count <= most, (phase, transport, bound)


def test_counts_of_trouble_are_those_of_the_output_and_the_summary(troubled):
    found, lines, summary, _ = troubled
    assert (
        one(found, "fanout_resends_total") == sum(line["resends"] for line in lines) == summary["resends"] > 0
    )
    assert one(found, "fanout_throttles_total") == summary["throttles"] > 0
    assert one(found, "fanout_durable_rows_total") == 200
    assert one(found, "fanout_looks_total") > 0
    assert one(found, "fanout_looks_found_total") == sum(line["noticed_by"] == "list" for line in lines) > 0
    messages = labelled(found, "fanout_messages_total", "outcome")
    assert messages["ours",] >= sum(line["noticed_by"] == "sqs" for line in lines) > 0
    assert sum(messages.values()) > messages["ours",], "foreign ones and repetitions were counted apart"


def test_at_the_end_nothing_is_under_way_and_the_end_is_told(troubled):
    found, _, summary, _ = troubled
    for name in ("open", "in_flight", "accepted", "claimed", "unknown", "parked"):
        assert one(found, f"fanout_rows_{name}") == 0, name
    assert one(found, "fanout_held_bytes") == one(found, "fanout_journal_waiting_lines") == 0
    assert (one(found, "fanout_running"), one(found, "fanout_exit_code")) == (0, summary["exit_code"])
    assert one(found, "fanout_last_completion_timestamp_seconds") == pytest.approx(time.time(), abs=120)
    assert not [key for key in found if key[0] == "fanout_last_success_timestamp_seconds"]
    assert one(found, "fanout_pacing_configured_rate") == 150
    assert one(found, "fanout_window_rows") == 10_000


def test_no_label_holds_an_id_or_anything_that_somebody_else_wrote(troubled):
    found, _, summary, _ = troubled
    values = {text for _, pairs in found for label, text in pairs if label not in {"le", "job"}}
    assert summary["run"] not in str(found.keys())
    known = r"inline|s3|none|succeeded|failed|rejected|ours|done|stranger|[a-z_]+|\d[\w.]*"
    assert all(re.fullmatch(known, text) for text in values), values


# The names


def exported(troubled):
    """Names of samples that the program exports, those that only a lucky run has among them."""
    found = troubled[0]
    return {name for name, _ in found} | {"fanout_last_success_timestamp_seconds"}


def used_by_the_dashboard():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {target["expr"] for panel in panels for target in panel.get("targets", ())}


def used_by_the_alerts():
    # The rules' own grammar is promtool's business below; for their names, text is enough.
    return set(re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", ALERTS.read_text()))


def test_every_name_on_the_dashboard_and_in_the_alerts_is_exported(troubled):
    known = exported(troubled)
    for expressions in (used_by_the_dashboard(), used_by_the_alerts()):
        names = {name for expression in expressions for name in NAME.findall(expression)}
        assert len(names) >= 9
        assert names <= known, names - known


def test_the_documentation_lists_what_is_exported_and_nothing_else(troubled):
    rows = re.findall(r"^\| `(fanout_[a-z_*]+)`", (HOUSE / "docs/metrics.md").read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows))
    found = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported(troubled)}
    absent = {"fanout_last_notice_timestamp_seconds"} - found
    assert {name for name in found if not name.startswith("fanout_process_")} | absent == set(rows) - {
        "fanout_process_*"
    }


def test_the_dashboard_is_one():
    board = json.loads(DASHBOARD.read_text())
    assert board["uid"] == "fanout"
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels), (
        "works beside any Prometheus"
    )
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, f"{panel['title']} overlaps"
        assert place["x"] + place["w"] <= 24
        taken |= cells


# While it runs


@contextmanager
def running(place, *arguments, port=0):
    """A run with its metrics on `port`, or a free one; yields the process and the port."""
    command = ("run", *arguments, "--metrics-port", port, "-v")
    with Started(*command, cwd=place, stderr=subprocess.PIPE, env=environment()) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"metrics at http://127\.0\.0\.1:(\d+)/metrics", line):
                    break
            yield process, int(found.group(1))
        finally:
            process.kill()
            process.stderr.close()


def scrape(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics")
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=")
        return parsed(reply.read().decode())


def test_scrapes_of_a_live_run_agree_with_each_other(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(400)])
    arguments = ("in.jsonl", "--local", "-o", "out.parquet", "--rate", 200, "--window", 300)
    scrapes = []
    with running(tmp_path, *arguments) as (process, port):
        while process.poll() is None:
            try:
                scrapes.append(scrape(port))
            except OSError:
                break
        assert process.wait(timeout=60) == 0
    ended = [sum(labelled(found, "fanout_records_total", "status").values()) for found in scrapes]
    assert ended == sorted(ended)
    assert 0 < ended[-1] <= 400
    assert any(0 < count < 400 for count in ended), "seen under way"
    for found, count in zip(scrapes, ended, strict=True):
        durations = labelled(found, "fanout_request_duration_seconds_count", "phase").get(("total",), 0)
        assert durations == count, "one instant: rows and their durations belong together"
        assert one(found, "fanout_running") in {0, 1}
    busy = [found for found, count in zip(scrapes, ended, strict=True) if 0 < count < 400]
    assert max(one(found, "fanout_rows_open") for found in busy) <= 300
    assert any(one(found, "fanout_rows_open") > 0 for found in busy)
    assert {one(found, "fanout_pacing_rate") for found in busy} == {200}


def test_a_taken_port_and_a_gateway_that_is_down_fail_no_run(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(20)])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fanout(
            "run", "in.jsonl", "--local", "-o", "out.parquet", "--metrics-port", port, "--metrics-textfile",
            "no/such/directory/f.prom", "--pushgateway", "127.0.0.1:1", "--json", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["by_status"] == {"succeeded": 20}
    assert f"no metrics at 127.0.0.1:{port}" in summary["warnings"][0]
    for words in (
        f"no metrics at 127.0.0.1:{port}",
        "no/such/directory/f.prom cannot be written",
        "not pushed",
    ):
        assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_cannot_begin_says_so_in_its_metrics(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    done = fanout(
        "run", "in.jsonl", "--endpoint", "e", "--region", "eu-west-1", "-o", "out.parquet", "--metrics-textfile",
        "f.prom", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 4
    found = parsed((tmp_path / "f.prom").read_text())
    assert (one(found, "fanout_running"), one(found, "fanout_exit_code")) == (0, 4)


# Prometheus's own programs


needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="the Debian package `prometheus` is not installed",
)


@needs_prometheus
@pytest.mark.parametrize(
    "arguments", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")]
)
def test_promtool_passes_the_alerts(arguments):
    done = subprocess.run(
        ["promtool", *arguments], cwd=ALERTS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_promtool_finds_nothing_to_say_about_the_metrics(troubled):
    """`promtool check metrics` reads what is exported and lints names, help texts and units."""
    text = troubled[-1]
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


SUCCEEDED = '{status="succeeded",transport="inline"}'

CLOCKS_S = 0.01
"""How far a sample's time may be from the instants of the output, though both are read on this machine: Prometheus
cuts it to milliseconds and moves it by up to 2 of them onto its interval, the output rounds to microseconds, and NTP
may slew the wall clock, by 500 ppm at most, away from a run that reads it once."""


@contextmanager
def prometheus(place, target):
    """A Prometheus that scrapes `target` twice a second, with our alerts; yields a function that asks it."""
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "fanout", "static_configs": [{"targets": [target]}]}],
    }
    (place / "prometheus.yml").write_text(json.dumps(config))
    command = [
        "prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/tsdb",
        "--web.listen-address=127.0.0.1:0", "--log.level=info",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = None
            for line in process.stderr:
                if found := re.search(r'msg="Listening on" address=([\d.:]+)', line):
                    address = found.group(1)
                if "Server is ready" in line:
                    break

            def ask(path, **arguments):
                query = urllib.parse.urlencode(arguments)
                with urllib.request.urlopen(f"http://{address}/api/v1/{path}?{query}", timeout=10) as reply:
                    return json.load(reply)["data"]

            # It is ready before it scrapes: by default it looks for targets 5 s after its start.
            while not ask("query", query="up")["result"]:
                assert process.poll() is None
            yield ask
        finally:
            process.kill()
            process.stderr.close()


@needs_prometheus
def test_a_real_prometheus_reads_a_run(tmp_path):
    with (tmp_path / "in.jsonl").open("w") as file:
        file.writelines(f'{{"n": {n}}}\n' if n % 100 else "not JSON\n" for n in range(1000))
    arguments = ("in.jsonl", "--local", "-o", "out.parquet", "--rate", 200)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Prometheus first: its scrapes must cover the run.
    with (
        prometheus(tmp_path, f"127.0.0.1:{port}") as ask,
        running(tmp_path, *arguments, port=port) as (process, _),
    ):
        assert process.wait(timeout=60) == 3
        table = pq.read_table(tmp_path / "out.parquet").to_pylist()
        lines = [line for line in table if line["status"] == "succeeded"]

        def value(expression, **more):
            [sample] = ask("query", query=expression, **more)["result"]
            return float(sample["value"][1])

        def samples(series):
            [series] = ask("query", query=f"{series}[1m]")["result"]
            return [(at, float(text)) for at, text in series["values"]]

        assert value("max_over_time(up[1m])") == 1
        assert value("max_over_time(fanout_running[1m])") == 1
        scraped = samples(f"fanout_records_total{SUCCEEDED}")
        took_s = dict(samples("scrape_duration_seconds"))
        lines.sort(key=lambda line: line["fetched_at"])
        ended = [line["fetched_at"].timestamp() for line in lines]
        # A row is counted in the turn of the loop that has its result, and a scrape reads in a turn of its own: each
        # sample is exactly the rows that had ended at some instant of the scrape, however late that was served.
        for at, counted in scraped:
            fewest = bisect_right(ended, at - CLOCKS_S)
            most = bisect_right(ended, at + took_s[at] + CLOCKS_S)
            assert fewest <= counted <= most, f"{at - ended[0]:.3f} s after the first row ended"
        assert len(scraped) >= 2, "of ten, in the five seconds that the run takes"
        (began, least), *_, (last, greatest) = scraped
        assert least < greatest <= len(lines) == 990
        # A range that is as long as its samples leaves Prometheus nothing to extrapolate.
        span_ms = round(1000 * (last - began)) + 1
        increase = value(f"increase(fanout_records_total{SUCCEEDED}[{span_ms}ms])", time=last)
        assert increase == pytest.approx(greatest - least, rel=0.01)
        # The sum at the last scrape is that of the rows which had ended by then.
        _, total = samples('fanout_request_duration_seconds_sum{phase="total",transport="inline"}')[-1]
        _, count = samples('fanout_request_duration_seconds_count{phase="total",transport="inline"}')[-1]
        assert count == greatest
        assert total == pytest.approx(
            sum(line["total_ms"] for line in lines[: int(count)]) / 1000, abs=1e-6 * count
        )
        groups = ask("rules")["groups"]
        assert sum(len(group["rules"]) for group in groups) == len(used_by_the_alerts())
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        for expression in used_by_the_dashboard():
            plain = (
                expression.replace("$__rate_interval", "5s")
                .replace('"$job"', '".*"')
                .replace('"$instance"', '".*"')
            )
            result = ask("query_range", query=plain, start=time.time() - 30, end=time.time(), step="1s")[
                "result"
            ]
            if "input_rows" not in plain and "last_success" not in plain and "last_completion" not in plain:
                assert result, f"no data for {plain}"
                assert not all(
                    math.isnan(float(point[1])) for series in result for point in series["values"]
                ), plain
