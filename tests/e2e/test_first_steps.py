"""What a person meets who tries the command for the first time, and gets a word wrong: no traceback, the next step."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.browser import CHROMIUM
from support.cli import environment, fanout, write_jsonl
from support.fork_server import Started

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-o", "there.parquet"],
            "there.parquet exists: choose another name, or replace it with --overwrite\n",
        ),
        (["-o", "out.csv"], "the output is Parquet: name it out.parquet"),
        (["-o", "-"], "the output is a Parquet file and cannot go to standard output"),
        (
            ["-o", "out.parquet", "-c", "job.toml"],
            "[local.simulator] unknown key 'failur_share'; did you mean",
        ),
    ],
)
def test_a_run_that_cannot_begin_says_what_to_write_instead(tmp_path, arguments, words):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    (tmp_path / "there.parquet").write_bytes(b"something")
    (tmp_path / "job.toml").write_text("[local.simulator]\nfailur_share = 1\n")
    done = fanout("run", "in.jsonl", "--local", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "in.jsonl", "--local", "-o", b"out-\xff.parquet"),
        ("run", "in.jsonl", "--local", "-o", "out.parquet", "--run-dir", b"rd-\xff"),
        ("report", b"out-\xff.parquet"),
    ],
)
def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_paid_for(tmp_path, arguments):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    done = fanout(*map(os.fsdecode, arguments), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "\\udcff" in done.stderr
    assert "a name that is not UTF-8 cannot be written as Parquet or read" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "gs://bucket/out.parquet"), "outputs are files here or in S3, not gs://: choose a path"),
        (("-o", "s3://bucket/out.parquet"), "the local AWS ends with the run, and its S3 with it"),
        (("-o", "out.parquet", "--run-dir", "s3://bucket/rd"), "its S3 with it: choose a path for"),
    ],
)
def test_an_output_that_cannot_be_is_said_before_anything_is_made(tmp_path, arguments, words):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    done = fanout("run", "in.jsonl", "--local", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("name", ["table.jsonl", "-"])
def test_parquet_that_is_taken_for_lines_is_no_run_of_rejected_rows(tmp_path, name):
    pq.write_table(pa.table({"n": ["x"] * 50}), tmp_path / "table.jsonl")
    with (
        (tmp_path / "table.jsonl").open("rb") as given,
        (tmp_path / "out").open("wb") as out,
        (tmp_path / "err").open("wb") as err,
        Started(
            *("run", name, "--local", "-o", "out.parquet"),
            env=environment(), cwd=tmp_path, stdin=given, stdout=out, stderr=err,
        ) as process,
    ):  # fmt: skip
        assert process.wait(100) == 2
    assert (tmp_path / "out").read_text() == ""
    assert "is Parquet, not JSON Lines" in (tmp_path / "err").read_text()
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_service_that_cannot_be_reached_is_said_at_once_and_can_be_interrupted(tmp_path, number):
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    nowhere = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    env = environment(**nowhere, AWS_REGION="eu-west-1")
    command = [sys.executable, "-m", "fanout.cli", "run", "in.jsonl", "--endpoint", "e", "-o", "out.parquet"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
        code = process.wait(30)
    assert "127.0.0.1:1 cannot be reached: " in first
    assert "trying again" in first
    assert (code, "Traceback" in rest) == (75, False), rest
    assert f"{number.name}: stopped; nothing was sent: start it again" in rest
    assert not (tmp_path / ".fanout").exists()


def test_help_says_what_every_command_does_in_whole_sentences():
    listed = fanout("--help", env={"COLUMNS": "80"}).stdout.partition("Commands:\n")[2]
    listed = listed.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == [
        "run", "plan", "doctor", "simulate", "resume", "merge", "cancel", "retry", "export", "status", "runs",
        "discard", "gc", "bench", "report", "schema", "infra",
    ]  # fmt: skip
    assert all(line.endswith(".") and not line.endswith("...") for line in listed), listed
    assert "fanout run [OPTIONS] [INPUT]...\n" in fanout("run", "--help").stdout


@pytest.mark.parametrize("command", [("status",), ("resume",), ("retry", "-o", "again.parquet")])
def test_an_output_is_no_run_directory(tmp_path, command):
    (tmp_path / "out.parquet").write_bytes(b"PAR1")
    done = fanout(command[0], "out.parquet", *command[1:], cwd=tmp_path)
    assert done.returncode == 2
    assert "out.parquet is a file: name the run's directory, .fanout/RUN beside its output" in done.stderr


def test_no_runs_is_said_to_a_person_and_nothing_to_a_machine(tmp_path):
    told = fanout("runs", tmp_path)
    assert (told.returncode, told.stdout) == (0, "")
    assert f"no runs in {tmp_path}" in told.stderr
    assert fanout("runs", tmp_path, "--json").stderr == ""


def test_no_text_fails_for_the_locale(tmp_path):
    """Whoever reads a file or a pipe gets UTF-8, whatever the terminal's encoding is said to be."""
    write_jsonl(tmp_path / "in.jsonl", [{"n": 1}])
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    ran = fanout("run", "in.jsonl", "--local", "-o", "out.parquet", cwd=tmp_path, env=plain)
    assert (ran.returncode, ran.stderr.partition(" · ")[0]) == (0, "1 succeeded")
    told = fanout("report", "out.parquet", cwd=tmp_path, env=plain)
    assert told.returncode == 0, told.stderr
    assert "rows 1 · succeeded 1 · " in told.stdout


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height, from the header of a PNG file."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
@pytest.mark.campaign
def test_the_pictures_of_the_readme_are_made_by_the_command_that_it_names(tmp_path):
    readme = (ROOT / "README.md").read_text()
    named = re.findall(r'<img src="docs/pictures/(\w+\.png)" [^>]*alt="Simulated\. [^"]+">', readme)
    assert sorted(named) == sorted(path.name for path in (ROOT / "docs" / "pictures").iterdir())
    assert "python benchmarks/pictures.py" in readme
    command = [
        sys.executable, ROOT / "benchmarks" / "pictures.py", "--output", tmp_path / "new", "--rows", "60",
        "--pairs", "4",
    ]  # fmt: skip
    few = environment(FANOUT_BENCH_WARMUP="6", FANOUT_BENCH_LATE_MS="10000")  # busy or not, it is a picture
    subprocess.run(command, check=True, capture_output=True, timeout=110, env=few)
    for name in named:
        kept, made = ROOT / "docs" / "pictures" / name, tmp_path / "new" / name
        assert size_of(made)[0] == size_of(kept)[0] == 1350
        assert size_of(made)[1] > 400, "more than a heading"
        assert kept.stat().st_size < 200_000
