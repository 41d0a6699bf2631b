"""Where a run stands: told of a live one, of one that was stopped, of one that was killed, and of a list of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import jsonschema
import pytest
from support.cli import environment, fanout, local_aws, write_jsonl
from support.fork_server import Started

from fanout import __version__
from fanout.cli.status_text import table
from fanout.commands.status import RunStatus, run_status, runs
from fanout.rundir.journal import Journal

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/summary.schema.json").read_text())
ROWS = 240


@pytest.fixture(scope="module")
def aws():
    with local_aws("service_time.median_s=1", "concurrency_per_instance=500") as running:
        yield running


def status(path):
    return run_status(path).as_dict()


def printed(path):
    done = fanout("status", path, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(path):
    done = fanout("status", path)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(aws, place, *more, until=1):
    """A run of 15 s at least, `until` signs of life after its rows began to end; yields it and its directory."""
    write_jsonl(place / "in.jsonl", [{"n": n} for n in range(ROWS)])
    command = [
        "run", "in.jsonl", "--endpoint", aws.endpoint, "-o", "out.parquet",
        "--rate", "16", "--run-dir", "run", "-q", *more,
    ]  # fmt: skip
    with Started(*command, cwd=place, env=environment(**aws.env), stderr=subprocess.PIPE) as process:
        try:
            seen = set()
            while len(seen) < until:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
                    pytest.fail(process.stderr.read())
                beat = status_file(place / "run")
                if beat and beat["snapshot"]["ended"]:
                    seen.add(beat["updated_at"])
            yield process, place / "run"
        finally:
            process.kill()
            process.stderr.close()


def status_file(path):
    try:
        return json.loads((path / "status.json").read_text())
    except FileNotFoundError:
        return None


def counts(path):
    """Rows by state, from the journal itself."""
    journal = Journal(path / "journal.sqlite")
    try:
        found = [state for _, state in journal.states()]
    finally:
        journal.close()
    return {"durable": found.count(3), "accepted": found.count(2), "unknown": found.count(1)}


def test_a_live_run_is_not_disturbed_and_tells_its_figures(aws, tmp_path):
    with running(aws, tmp_path) as (process, path):
        first = printed(path)
        assert (first["state"], first["pid"], first["next"]) == ("running", process.pid, None)
        assert first["run"] == json.loads((path / "run.json").read_text())["run"]
        assert 0 < first["rows"] == first["snapshot"]["ended"] < ROWS
        assert first["snapshot"]["statistics"]["open_rows"]["open"] > 0
        assert first["durable"] is None, "the journal of a live run is not read"
        text = said(path)
        assert f"{first['run']}: running" in text
        assert re.search(rf"process {process.pid} on .*, last heard of \d{{4}}-", text)
        assert re.search(r"\d+ rows ended", text)
        while status(path)["rows"] == first["rows"]:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)
                pytest.fail("asking stopped it")
        assert (path / "status.json").stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 75


def test_a_stopped_run_says_why_and_what_to_do(aws, tmp_path):
    with running(aws, tmp_path, "--grace", "0") as (process, path):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 75
    found = status(path)
    assert found["state"] == "stopped"
    assert found["reason"].startswith("SIGTERM")
    assert found["next"] == f"fanout resume {path}"
    assert {name: found[name] for name in ("durable", "accepted", "unknown")} == counts(path)
    assert found["rows"] == found["durable"] > 0
    assert said(path).rstrip().endswith(f"next: fanout resume {path}")


def test_a_killed_run_is_dead_until_it_is_resumed(aws, tmp_path):
    (tmp_path / "job.toml").write_text(
        "[output]\npart_s = 0.5\n[collect]\nquiet_s = 1\nunknown_wait_s = 0.5\n"
    )
    with running(aws, tmp_path, "-c", "job.toml", until=2) as (process, path):
        process.kill()
        process.wait(timeout=60)
    found = status(path)
    assert (found["state"], found["next"]) == ("dead", f"fanout resume {path}")
    assert found["pid"] == process.pid
    assert found == printed(path), "asking changed nothing"
    expected = counts(path)
    assert {name: found[name] for name in expected} == expected
    assert expected["durable"] > 0
    assert expected["accepted"] > 0
    text = said(path)
    assert "dead" in text
    assert f"{found['durable']:,} rows are durable, {found['accepted']:,} were accepted" in text
    done = fanout("resume", path, "--rate", 2000, "--json", "-q", env=aws.env)
    assert done.returncode == 0, done.stderr
    finished = status(path)
    assert (finished["state"], finished["rows"], finished["next"]) == ("finished", ROWS, None)
    assert finished["run"] == found["run"]
    assert status_file(path)["state"] == "finished"
    assert said(path).startswith(f"{found['run']}: finished, {ROWS} rows")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory with two finished runs, `good` and, after it, `bad`, which has a row that failed."""
    place = tmp_path_factory.mktemp("finished")
    (place / "good.jsonl").write_text('{"n": 1}\n')
    (place / "bad.jsonl").write_text('{"n": 1}\nnot JSON\n{"n": 3}\n')
    summaries = []
    for name, code in (("good", 0), ("bad", 3)):
        done = fanout("run", f"{name}.jsonl", "--local", "-o", f"{name}.parquet", "--json", "-q", cwd=place)
        assert done.returncode == code, done.stderr
        summaries.append(json.loads(done.stdout))
    return place, *summaries


def test_the_summary_keeps_to_its_schema(finished):
    _, good, bad = finished
    for summary in (good, bad):
        jsonschema.validate(summary, SCHEMA)
        assert set(summary) == set(SCHEMA["required"]) == set(SCHEMA["properties"])
        path = Path(summary["run_dir"])
        assert json.loads((path / "summary.json").read_text()) == summary
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad | {"rows": -1}, SCHEMA)
    said = [(each["state"], each["by_status"], each["next"]) for each in map(status_of, (good, bad))]
    step = (
        "mend the rejected rows in the input, then start a new run of them"  # a retry would reject the same
    )
    assert said == [("finished", good["by_status"], None), ("finished", bad["by_status"], step)]


def status_of(summary):
    return status(Path(summary["run_dir"]))


def test_documents_are_described_as_they_are(finished):
    """Every key of the three documents stands in docs/summary.md, and in no table stands one that is not there."""
    _, summary, _ = finished
    path = Path(summary["run_dir"])
    text = (Path(__file__).parents[2] / "docs/summary.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    documented = [
        set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ((?:`\w+`,? ?)+) \|", section, re.MULTILINE))))
        for section in sections
    ]
    assert documented == [set(summary), set(status_file(path)), set(status(path))]
    figures = re.findall(r"`(\w+)`", text.split("`snapshot`: ")[1].split("\n\n")[0])
    assert set(figures) == set(status_file(path)["snapshot"])
    assert {"version", "run", *RunStatus.__dataclass_fields__} - {"run_id"} == documented[2]


def test_runs_are_listed_the_oldest_first(finished):
    place, *_ = finished
    broken = place / ".fanout" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    done = fanout("runs", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["state"], line["rows"]) for line in listed] == [
        ("finished", 1),
        ("finished", 3),
        ("damaged", None),
    ]
    assert [Path(line["output"]).name for line in listed[:2]] == ["good.parquet", "bad.parquet"]
    assert "run.json is damaged: it is not a complete JSON document" in listed[2]["reason"]
    lines = table(runs(place))
    assert fanout("runs", place).stdout.splitlines() == lines
    assert lines[0].split() == ["run", "state", "rows", "started", "output"]
    assert [line.split()[1] for line in lines[1:]] == ["finished", "finished", "damaged"]
    assert table(runs(place / ".fanout")) == lines


def test_what_is_not_there(tmp_path):
    for arguments, words in (
        (("status", tmp_path), "holds no run"),
        (("runs", tmp_path / "x"), "is not a directory"),
    ):
        done = fanout(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
    done = fanout("runs", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_secret_and_no_payload_is_logged_at_any_level(aws, tmp_path):
    payloads = [{"n": n, "text": f"PAYLOAD-{n}-CANARY"} for n in range(20)] + [
        {"text": "LARGE-CANARY" * 12_000}
    ]
    write_jsonl(tmp_path / "in.jsonl", payloads)
    for form in ("text", "json"):
        done = fanout(
            "run", "in.jsonl", "--endpoint", aws.endpoint, "-o", f"{form}.parquet", "--log-level", "debug",
            "--log-format", form, "--input-prefix", f"s3://{aws.bucket}/in", "--custom-attributes", "CANARY-TOKEN",
            env=aws.env, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        logged = done.stderr
        for secret in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            assert aws.env[secret] not in logged
        for words in ("CANARY", "Signature", "X-Amz-Security-Token", "sha256"):
            assert words not in logged, words
        [path] = [each for each in (tmp_path / ".fanout").iterdir() if run_of(each, f"{form}.parquet")]
        if form == "json":
            lines = [json.loads(line) for line in logged.splitlines()]
            accepted = {line["row"] for line in lines if line["message"] == "accepted" and line["request_id"]}
            ended = {line["row"] for line in lines if line["logger"] == "fanout.rows"}
            assert accepted == ended == set(range(21))
            assert {line["run"] for line in lines} == {path.name}
            first = lines[0]
            assert (first["versions"]["fanout"], first["settings"]["endpoint"]["name"]) == (
                __version__,
                aws.endpoint,
            )
            assert first["settings"]["payload"] == {"custom_attributes": "(set, not shown)"}
            assert lines[-1]["exit_code"] == 0
        else:
            line = rf"accepted \[run={path.name} row=\d+ request_id=[\w-]+\]$"
            assert len(re.findall(line, logged, re.MULTILINE)) == 21


def run_of(path, output):
    return json.loads((path / "run.json").read_text())["config"]["output"]["path"].endswith(f"/{output}")


def test_rows_are_not_logged_unless_asked_for_and_an_error_is_a_line_of_json(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(5)])
    done = fanout("run", "in.jsonl", "--local", "-o", "o.parquet", "--log-format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all("row" not in line for line in lines)
    assert lines[-1]["message"].startswith(f"{tmp_path}/o.parquet: 5 succeeded")
    done = fanout("run", "in.jsonl", "--local", "-o", "o.parquet", "--log-format", "json", cwd=tmp_path)
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, line["level"], line["exit_code"]) == (2, "error", 2)
    assert "exists" in line["message"]
    done = fanout("run", "in.jsonl", "--local", "-o", "o.parquet", "--log-level", "loud", cwd=tmp_path)
    assert done.returncode == 2
    assert "known are debug, info, warning, error" in done.stderr


def test_a_status_file_that_cannot_be_written_fails_no_run(aws, tmp_path):
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / "status.tmp").mkdir()
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(5)])
    done = fanout(
        "run", "in.jsonl", "--endpoint", aws.endpoint, "-o", "out.parquet", "--run-dir", "run", "-q", env=aws.env,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("status.json cannot be written") == 1
