"""Array jobs as AWS Batch, Kubernetes and Slurm run them: the templates' own commands, killed and started again."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from support.audit import audit
from support.cli import environment, local_aws
from support.fork_server import Started
from support.processes import QUICK, make_input

pytestmark = pytest.mark.campaign

CONFIGS = Path(__file__).parents[2] / "configs" / "arrays"
ROWS, SHARDS = 600, 4


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


@pytest.fixture
def place(tmp_path, aws):
    """A mounted directory with the input and the templates' job.toml, made to fit the local AWS."""
    given = make_input(tmp_path / "in.jsonl", ROWS, seed=5)
    text = (CONFIGS / "job.toml").read_text()
    for old, new in {
        "s3://my-bucket/questions/": str(tmp_path / "in.jsonl"),
        "my-endpoint": aws.endpoint,
        'region = "eu-west-1"\n': "",
        "/mnt/fanout": str(tmp_path),
    }.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "job.toml").write_text(text)
    return tmp_path, given


class Index:
    """One index of an array, started again and again as its scheduler would.

    Args:
        command: Of the template.
        aws: Its environment.
        place: What is mounted.
        retries: Whether an exit code, negative for a signal, is worth another start.
        kills: When it is killed, in seconds after each of its first starts, and by what.
    """

    def __init__(self, command, aws, place, *, retries, kills=(), **variables):
        self.command = [word.replace("/mnt/fanout", str(place)) for word in command]
        assert self.command[0] == "fanout"
        self.env = environment(**aws.env, **variables)
        self.place, self.retries, self.kills = place, retries, list(kills)
        self.codes: list[int] = []

    def run(self):
        while True:
            with (self.place / f"{id(self)}.log").open("wb") as log:
                process = Started(*self.command[1:], env=self.env, cwd=self.place, stdout=log, stderr=log)
                if self.kills:
                    after, sign = self.kills.pop(0)
                    time.sleep(after)  # a moment like any other: nothing is waited for
                    process.send_signal(sign)
                self.codes.append(process.wait(100))
            if not self.retries(self.codes[-1]):
                return self.codes[-1]
            assert len(self.codes) < 12, (self.place / f"{id(self)}.log").read_text()


def side_by_side(indices):
    with ThreadPoolExecutor(len(indices)) as pool:
        return list(pool.map(Index.run, indices))


def drawn_kills(seed):
    """When each index is killed, and by what: some twice, one not at all."""
    draw = random.Random(seed)
    return [
        [(draw.uniform(0.3, 2.0), draw.choice([signal.SIGKILL, signal.SIGTERM])) for _ in range(count)]
        for count in (1, 2, 0, 1)
    ]


def audited(place, given, aws):
    table = pq.read_table(place / "answers.parquet")
    names = [json.loads(path.read_text())["run"] for path in place.glob("run/shards/*/run.json")]
    accepted = [line for name in names for line in aws.of(name)]
    audit(table, given.payloads, accepted=accepted)


def test_aws_batch(place, aws):
    directory, given = place
    job, shards, merge = (
        json.loads((CONFIGS / f"aws-batch-{name}.json").read_text()) for name in ("job", "shards", "merge")
    )
    size = shards["arrayProperties"]["size"]
    rules = job["retryStrategy"]["evaluateOnExit"]

    def retries(code):
        told = str(128 - code if code < 0 else code)  # as a container's exit code is told
        rule = next(rule for rule in rules if fnmatch(told, rule.get("onExitCode", "none")))
        return rule["action"] == "RETRY"

    indices = [
        Index(
            job["containerProperties"]["command"], aws, directory, retries=retries, kills=kills,
            AWS_BATCH_JOB_ARRAY_INDEX=str(index), AWS_BATCH_JOB_ARRAY_SIZE=str(size),
        )
        for index, kills in zip(range(size), drawn_kills(1), strict=True)
    ]  # fmt: skip
    assert side_by_side(indices) == [0] * size
    assert sum(len(index.codes) for index in indices) >= size + 2, "some were killed"
    merging = Index(merge["containerOverrides"]["command"], aws, directory, retries=retries)
    assert merging.run() == 0
    audited(directory, given, aws)


def test_kubernetes(place, aws):
    directory, given = place
    shards, merge = yaml.safe_load_all((CONFIGS / "kubernetes.yml").read_text())
    spec = shards["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    fails = spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"]
    merging = Index(
        merge["spec"]["template"]["spec"]["containers"][0]["command"], aws, directory, retries=lambda _: False
    )

    def retries(code):
        assert code not in fails, "the job would have failed"
        return code != 0

    variables = {each["name"]: each["value"] for each in container["env"]}
    indices = [
        Index(
            container["command"], aws, directory, retries=retries, kills=kills,
            JOB_COMPLETION_INDEX=str(index), **variables,
        )
        for index, kills in zip(range(spec["completions"]), drawn_kills(2), strict=True)
    ]  # fmt: skip
    assert side_by_side(indices[:2]) == [0, 0]
    assert merging.run() == 75, "it is tried again while shards are missing"
    assert side_by_side(indices[2:]) == [0, 0]
    assert merging.run() == 0
    audited(directory, given, aws)


def test_slurm(place, aws):
    directory, given = place
    tools = directory / "bin"
    tools.mkdir()
    for name, text in {
        "srun": 'exec "$@"',
        "fanout": f'exec {sys.executable} -m fanout.cli "$@"',
        "scontrol": f'echo "$@" >> {directory}/requeued',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    script = directory / "slurm.sh"
    script.write_text((CONFIGS / "slurm.sh").read_text().replace("/mnt/fanout", str(directory)))
    array = next(line for line in script.read_text().splitlines() if "--array=" in line)
    assert array == "#SBATCH --array=0-3%4"

    def task(number, *, after=None):
        env = environment(
            **aws.env, PATH=f"{tools}:{os.environ['PATH']}", PYTHONPATH=os.environ.get("PYTHONPATH", ""),
            SLURM_ARRAY_JOB_ID="77", SLURM_ARRAY_TASK_ID=str(number), SLURM_ARRAY_TASK_COUNT="4",
            SLURM_ARRAY_TASK_MIN="0", SLURM_ARRAY_TASK_STEP="1",
        )  # fmt: skip
        with subprocess.Popen(
            [shutil.which("bash"), script],
            env=env,
            cwd=directory,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            if after is not None:
                while not (directory / f"run/shards/{number:03d}/status.json").exists():
                    time.sleep(0.05)
                subprocess.run(
                    ["pkill", "-TERM", "-P", str(process.pid)], check=False
                )  # the step, not the script
            return process.wait(100)

    assert task(0, after=True) == 75
    assert (directory / "requeued").read_text() == "requeue 77_0\n"
    assert [task(number) for number in range(SHARDS)] == [0] * SHARDS
    merging = Index(["fanout", "merge", "/mnt/fanout/run"], aws, directory, retries=lambda _: False)
    assert merging.run() == 3, "some rows are bad input"
    audited(directory, given, aws)
