"""The real command in a child process, and the local AWS as a server of its own beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from support.fork_server import Started

AWS_NAMES = ("AWS_", "FANOUT_", "ECS_", "KUBERNETES_")
INTERPRETERS = ("PYTHON", "LC_", "LANG")
"""Variables that Python reads when it starts."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that says AWS or fanout."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(AWS_NAMES)}
    return clean | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"} | more


def fanout(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    input: str = "",  # noqa: A002 - as `subprocess.run` calls it
) -> subprocess.CompletedProcess[str]:
    """Run `fanout` to its end and return what it said: in an interpreter of its own where `env` speaks to that."""
    if any(name.startswith(INTERPRETERS) for name in env or ()):
        return subprocess.run(
            [sys.executable, "-m", "fanout.cli", *map(str, arguments)],
            env=environment(**(env or {})), cwd=cwd, input=input, capture_output=True, encoding="utf-8", timeout=100,
            check=False,
        )  # fmt: skip
    with TemporaryFile() as given, TemporaryFile() as stdout, TemporaryFile() as stderr:
        given.write(input.encode())
        given.seek(0)
        started = Started(
            *arguments, env=environment(**(env or {})), cwd=cwd, stdin=given, stdout=stdout, stderr=stderr
        )
        try:
            code = started.wait(100)
        except BaseException:
            started.kill()
            started.wait()
            raise
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["fanout", *arguments], code, *texts)


@dataclass(frozen=True)
class LocalAws:
    """A running `fanout simulate`."""

    url: str
    endpoint: str
    bucket: str
    env: dict[str, str]
    topics: tuple[str, ...] = ()

    def log(self, prefix: str = "") -> list[dict[str, object]]:
        """Accepted invocations, in order; those alone whose inference id begins with `prefix`."""
        with urllib.request.urlopen(f"{self.url}/_simulator/log?inference-id-prefix={prefix}") as reply:
            return [json.loads(line) for line in reply.read().splitlines()]

    def stats(self) -> dict[str, object]:
        with urllib.request.urlopen(f"{self.url}/_simulator/stats") as reply:
            return dict(json.load(reply))

    def scale(self, instances: int) -> None:
        """Change the endpoint's number of instances; at 0 it accepts, and results come when it has some again."""
        url = f"{self.url}/_simulator/scale?instances={instances}"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")):
            pass

    def of(self, run: str) -> list[dict[str, object]]:
        """Accepted invocations of one run."""
        return self.log(f"{run}.")


@contextmanager
def local_aws(*assignments: str) -> Iterator[LocalAws]:
    """Serve the local AWS with these settings (`instances=4`) while the block runs."""
    settings = [word for assignment in assignments for word in ("--set", assignment)]
    with Started("simulate", *settings, env=environment(), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            env = {
                "AWS_ENDPOINT_URL": ready["url"],
                "AWS_REGION": ready["region"],
                "AWS_ACCESS_KEY_ID": ready["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"],
                "AWS_SESSION_TOKEN": ready["session_token"],
            }
            topics = tuple(topic for topic in (ready["success_topic"], ready["error_topic"]) if topic)
            yield LocalAws(ready["url"], ready["endpoint"], ready["input_bucket"], env, topics)
        finally:
            process.terminate()


def write_jsonl(path: Path, rows: Sequence[object]) -> list[bytes]:
    """Write `rows`, a line each, and return the lines."""
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return lines
