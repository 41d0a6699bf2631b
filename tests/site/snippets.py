"""Runs every command and every snippet of README.md and of the site, page by page, as a reader would.

Each page gets a directory with the files that it talks of, and a local AWS of its own that has their endpoint and their
buckets. It takes some minutes, so it is a command of its own: `python -m pytest tests/site/snippets.py`.
"""

from __future__ import annotations

import doctest
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import botocore.session
import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import environment, local_aws
from support.snippets import PAGES, ROOT, RUN, blocks_of, matches

from fanout.commands.schema import config_schema

REGION = "eu-central-1"
ACCOUNT = (
    'buckets=["my-results", "my-bucket"]',
    'endpoint_name="my-endpoint"',
    f'region="{REGION}"',
    'instance_type="ml.g5.xlarge"',
    "service_time.median_s=0.02",
    "verify_signatures=true",
)
FEW = {"FANOUT_BENCH_PAIRS": "10", "FANOUT_BENCH_WARMUP": "2", "FANOUT_BENCH_LATE_MS": "10000"}
"""An experiment of seconds, on a machine that may be busy."""
LARGE = 150_000  # bytes: more than travel in a request
ROWS = 40
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}  # by a fail point, as the shell tells it
SHOWN = [page for page in PAGES if any(block.language in RUN for block in blocks_of(page))]


def questions(*numbers):
    rows = []
    for number in numbers:
        context = "x" * LARGE if number == 3 else "The sky scatters short waves most."
        rows.append(
            {"question_id": f"q{number}", "language": "en", "question": f"Why {number}?", "context": context}
        )
    return rows


class World:
    """A directory with the files of the pages, the program on its way, and an account."""

    def __init__(self, folder, aws):
        self.folder = folder
        names = ("access_key_id", "secret_access_key", "session_token")
        keys = {f"aws_{name}": aws.env[f"AWS_{name.upper()}"] for name in names}
        session = botocore.session.Session()
        self._s3 = session.create_client("s3", endpoint_url=aws.url, region_name=REGION, **keys)
        self._sns = session.create_client("sns", endpoint_url=aws.url, region_name=REGION, **keys)
        self._sqs = session.create_client("sqs", endpoint_url=aws.url, region_name=REGION, **keys)
        programs = folder.parent / f"{folder.name}-bin"
        programs.mkdir()
        for name, module in (("fanout", "fanout.cli"), ("python", "")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {module and f"-m {module}"} "$@"\n')
            program.chmod(0o755)
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = environment(**aws.env, **FEW, PATH=path, PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
        self._queue(aws)
        self._files()
        self._objects()

    def _queue(self, aws):
        """Make a queue that runs share, as `fanout infra queue` would, and put its url where the pages look for it."""
        arn = f"arn:aws:sqs:{REGION}:123456789012:shared-for-fanout"
        allowed = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": list(aws.topics)}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        attributes = {"VisibilityTimeout": "300", "Policy": policy}
        made = self._sqs.create_queue(QueueName="shared-for-fanout", Attributes=attributes)
        self.env["QUEUE_URL"] = made["QueueUrl"]
        raw = {"RawMessageDelivery": "true"}
        for topic in aws.topics:
            self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)

    def _files(self):
        rows = questions(*range(ROWS))
        (self.folder / "questions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        pq.write_table(pa.Table.from_pylist(rows), self.folder / "questions.parquet")
        (self.folder / "rows.jsonl").write_text('{"n": 0}\n{"n": 1}\n{"n": 2}\n')
        (self.folder / "mixed.jsonl").write_text('{"n": 0}\nthis is no JSON\n')
        (self.folder / "job.toml").write_text("[pacing]\nrate = 200\n")
        images = [{"name": f"image-{n}", "uri": f"s3://my-bucket/images/{n}.png"} for n in range(5)]
        (self.folder / "images.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in images))
        shutil.copytree(ROOT / "configs", self.folder / "configs")
        for name in ("nightly.toml", "nightly.sh"):
            shutil.copy(ROOT / "configs" / name, self.folder)

    def _objects(self):
        for day, numbers in (("2026/11/29", range(10)), ("2026/11/30", range(10, 20))):
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(questions(*numbers)), sink)
            self.put(f"questions/{day}/part.parquet", sink.getvalue())
        for number in range(5):
            self.put(f"images/{number}.png", b"\x89PNG")

    def put(self, key, body):
        self._s3.put_object(Bucket="my-bucket", Key=key, Body=body)

    def close(self):
        self._s3.close()
        self._sns.close()
        self._sqs.close()

    def shell(self, script, *, cwd=None):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=cwd or self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=110, check=False,
        )  # fmt: skip


@pytest.fixture
def world(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    with local_aws(*ACCOUNT) as aws:
        found = World(folder, aws)
        try:
            yield found
        finally:
            found.close()


def run_shell(world, block):
    for command in block.before:
        done = world.shell(command)
        assert done.returncode in {0, *KILLED}, f"{block.place}: before it\n{command}\n{done.stdout}"
    done = world.shell(block.text)
    assert done.returncode in block.exits, (
        f"{block.place}: exit {done.returncode}\n{block.text}\n{done.stdout}"
    )
    return done.stdout


def run_python(world, block):
    program = world.folder / "snippet.py"
    program.write_text(block.text)
    done = world.shell("python snippet.py")
    assert done.returncode in block.exits, (
        f"{block.place}: exit {done.returncode}\n{block.text}\n{done.stdout}"
    )
    return done.stdout


def read_toml(world, block):
    """Write it where its title says; what it holds is a configuration, in part or as a whole."""
    jsonschema.validate(tomllib.loads(block.text), config_schema())
    name = block.title or "snippet.toml"
    (world.folder / name).write_text(block.text)
    done = world.shell(
        'python -c "import sys; from fanout import load_config; load_config(sys.argv[1])" ' + name
    )
    assert done.returncode == 0, f"{block.place}\n{block.text}\n{done.stdout}"
    return ""


def run_examples(world, blocks):
    """Run the examples of a page as one session: later ones go on where those before them ended."""
    (world.folder / "examples.txt").write_text("\n".join(block.text for block in blocks))
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    done = world.shell(
        "python -c \"import asyncio, doctest, fanout, sys; sys.exit(doctest.testfile('examples.txt', "
        f'module_relative=False, optionflags={flags}, globs=dict(fanout=fanout, asyncio=asyncio)).failed)"'
    )
    assert done.returncode == 0, f"{blocks[0].page}\n{done.stdout}"


@pytest.mark.timeout(600)  # of a page with twenty commands; each command has its own bound
@pytest.mark.parametrize("page", SHOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_block_of_a_page_does_what_the_page_says(world, page):
    printed = ""
    blocks = [block for block in blocks_of(page) if block.not_run is None]
    for block in blocks:
        if block.output:
            assert matches(block.text, printed), f"{block.place}: printed was\n{printed}"
        elif block.language == "sh":
            printed = run_shell(world, block)
        elif block.language == "python":
            printed = run_python(world, block)
        elif block.language == "toml":
            printed = read_toml(world, block)
        elif block.language == "json":
            json.loads(block.text)
    examples = [block for block in blocks if block.language == "pycon"]
    if examples:
        run_examples(world, examples)
