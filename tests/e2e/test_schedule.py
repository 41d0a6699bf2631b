"""The scheduled job of `configs/`, as it stands: night after night, killed half-way, and by the lines of the page."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import botocore.session
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import environment, fanout, local_aws

from fanout.config.flags import RETRY, RUN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "schedule.md").read_text()
ACCOUNT = (
    'buckets=["my-bucket"]',
    'endpoint_name="my-endpoint"',
    'region="eu-central-1"',
    "verify_signatures=true",
)


def questions(*numbers):
    sink = io.BytesIO()
    names = ("question_id", "language", "question", "context")
    pq.write_table(pa.table({name: [f"{name} {number}" for number in numbers] for name in names}), sink)
    return sink.getvalue()


class Nightly:
    """A directory with the job's two files, an account, and `fanout` on the way that a scheduler looks."""

    def __init__(self, aws, folder):
        self.aws = aws
        self.folder = folder
        for name in ("nightly.toml", "nightly.sh"):
            shutil.copy(ROOT / "configs" / name, folder / name)
        (folder / "bin").mkdir()
        program = folder / "bin" / "fanout"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fanout.cli "$@"\n')
        program.chmod(0o755)
        names = ("access_key_id", "secret_access_key", "session_token")
        named = {f"aws_{name}": aws.env[f"AWS_{name.upper()}"] for name in names}
        self.s3 = botocore.session.Session().create_client(
            "s3", endpoint_url=aws.url, region_name="eu-central-1", **named
        )

    def put(self, name, body):
        self.s3.put_object(Bucket="my-bucket", Key=f"questions/{name}", Body=body)

    def call(self, line, **more):
        """Run a line of the page, and return it with how many requests the endpoint took meanwhile."""
        before = len(self.aws.log())
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", line.replace("/srv/nightly/", f"{self.folder}/")], cwd=self.folder,
            env=environment(**self.aws.env, PATH=path, PYTHONPATH=str(ROOT), **more),
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        return done, len(self.aws.log()) - before

    def answers(self, day):
        body = self.s3.get_object(Bucket="my-bucket", Key=f"answers/{day}.parquet")["Body"].read()
        return [row["id"] for row in pq.read_table(io.BytesIO(body)).to_pylist()]


@contextmanager
def scheduled(folder):
    with local_aws(*ACCOUNT) as aws:
        nightly = Nightly(aws, folder)
        try:
            yield nightly
        finally:
            nightly.s3.close()


def lines_of(page):
    """Return the lines of a page's blocks that are commands of the scheduled job, as they stand."""
    lines = (line for line in page.splitlines() if re.match(r"(fanout|/srv)\b", line))
    return [line for line in lines if "tonight.toml" not in line]  # tests/site/snippets.py runs those


@pytest.mark.campaign
def test_each_night_takes_what_is_new_and_one_that_was_killed_goes_on(tmp_path):
    start, named, *reading = lines_of(PAGE)
    assert (start, named) == ("/srv/nightly/nightly.sh", "/srv/nightly/nightly.sh 2026-11-30")
    with scheduled(tmp_path) as nightly:
        nightly.put("a.parquet", questions(*range(10)))
        nightly.put("b.parquet", questions(*range(10, 20)))
        done, sent = nightly.call(f"{start} 2026-11-28")
        assert (done.returncode, sent) == (0, 20), done.stderr
        nightly.put("c.parquet", questions(*range(20, 30)))
        killed, sent = nightly.call(f"{start} 2026-11-29", FANOUT_FAILPOINT="part.committed")
        assert killed.returncode in {-signal.SIGKILL, 128 + signal.SIGKILL}, (
            "as the shell that calls it says so"
        )
        assert sent == 10
        nightly.put("d.parquet", questions(*range(30, 40)))
        done, sent = nightly.call(named)  # the day after: first the night that was killed, then this one
        assert (done.returncode, sent) == (0, 10), done.stderr
        again, sent = nightly.call(named)
        assert (again.returncode, sent) == (0, 0)
        assert again.stderr.count("\n") == 1, "one line, which is the script's"
        assert "has ended" in again.stderr
        empty, sent = nightly.call(f"{start} 2026-12-01")
        assert (empty.returncode, sent) == (0, 0)
        assert "nothing new: 4 files read by earlier runs" in empty.stderr
        found = [nightly.answers(f"2026/11/{day}") for day in (28, 29, 30)]
        assert found == [[f"question_id {n}" for n in r] for r in (range(20), range(20, 30), range(30, 40))]
        told = {}
        for line in reading:
            done = fanout(*shlex.split(line)[1:], cwd=tmp_path, env=nightly.aws.env)
            assert done.returncode == 0, (line, done.stderr)
            told[line] = done.stdout
        assert "rows 40" in told["fanout report s3://my-bucket/answers/"]


def test_every_flag_and_key_of_the_page_is_there():
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert flags <= {flag.option for flag in (*RUN, *RETRY)} | {"--json"}
    assert "[ $? -eq 3 ]" in PAGE
    assert PAGE.count("/srv/nightly/nightly.sh") >= 6


@pytest.mark.parametrize("given", ["75", "4"])
def test_the_script_leaves_with_the_code_of_a_night_that_did_not_end(tmp_path, given):
    shutil.copy(ROOT / "configs" / "nightly.sh", tmp_path)
    (tmp_path / "runs" / "2026-11-29").mkdir(parents=True)
    (tmp_path / "runs" / "2026-11-29" / "run.json").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "fanout").write_text(f'#!/bin/sh\necho "$@" >> said\nexit {given}\n')
    (tmp_path / "bin" / "fanout").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "nightly.sh"], env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, check=False
    )
    assert done.returncode == int(given)
    assert (tmp_path / "said").read_text() == "resume runs/2026-11-29\n"


def test_the_script_says_that_a_night_has_ended_when_it_is_started_once_more(tmp_path):
    shutil.copy(ROOT / "configs" / "nightly.sh", tmp_path)
    night = tmp_path / "runs" / "2026-11-29"
    night.mkdir(parents=True)
    for name in ("run.json", "summary.json"):
        (night / name).touch()
    line = [tmp_path / "nightly.sh", "2026-11-29"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "nightly.sh: the night of 2026-11-29 has ended: fanout status runs/2026-11-29\n"
