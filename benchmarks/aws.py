"""The local AWS as a process of its own, which every contender of a comparison talks to; standard library only.

Settings enter as `fanout simulate --set` takes them. Signatures are not verified: that halves what the server costs,
so that it is the limit later, and lets this side make queues and read objects with plain requests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from child import process_cpu_s

STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running `fanout simulate`.

    Attributes:
        env: What a client's environment must hold to reach it, and nothing of the user's own AWS.
    """

    url: str
    endpoint: str
    bucket: str
    topic: str | None
    account: str
    region: str
    pid: int
    env: dict[str, str]

    def cpu_s(self) -> float:
        """CPU seconds that the server has used so far."""
        return process_cpu_s(self.pid)

    def accepted(self) -> int:
        """Invocations accepted so far."""
        return int(json.loads(self._get("/_simulator/stats"))["accepted"])

    def arrivals(self, first: int) -> list[float]:
        """Instants, by the server's clock, at which the invocations from number `first` on arrived."""
        lines = self._get("/_simulator/log").splitlines()[first:]
        return sorted(json.loads(line)["arrived_at"] for line in lines)

    def throttled(self) -> int:
        """Invocations refused for their rate so far, by the limit or at random."""
        stats = json.loads(self._get("/_simulator/stats"))
        return int(stats["throttled"])

    def stored(self, prefix: str) -> tuple[int, int]:
        """Objects below `prefix` of the bucket, and their bytes."""
        count = size_bytes = 0
        after = ""
        while True:
            query = urllib.parse.urlencode({"list-type": 2, "prefix": prefix, "start-after": after})
            page = self._get(f"/{self.bucket}?{query}").decode()
            sizes = [int(size) for size in re.findall(r"<Size>(\d+)</Size>", page)]
            count, size_bytes = count + len(sizes), size_bytes + sum(sizes)
            if "<IsTruncated>true</IsTruncated>" not in page:
                return count, size_bytes
            after = re.findall(r"<Key>([^<]*)</Key>", page)[-1]

    def store(self, key: str, path: Path) -> None:
        """Put a file into the bucket."""
        with path.open("rb") as body:
            headers = {"Content-Length": str(path.stat().st_size)}
            put = urllib.request.Request(f"{self.url}/{self.bucket}/{key}", body, headers, method="PUT")
            urllib.request.urlopen(put, timeout=600).close()

    def fetch(self, key: str, path: Path) -> None:
        """Write an object of the bucket to a file."""
        with (
            urllib.request.urlopen(f"{self.url}/{self.bucket}/{key}", timeout=600) as reply,
            path.open("wb") as file,
        ):
            shutil.copyfileobj(reply, file, 1 << 20)

    @contextmanager
    def queue(self, name: str) -> Iterator[str]:
        """Yield the URL of a queue that hears of every success while the block runs."""
        arn = f"arn:aws:sqs:{self.region}:{self.account}:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
        }
        policy = json.dumps({"Statement": [statement]})
        url = self._sqs("CreateQueue", QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        entry = {"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"}
        told = self._sns("Subscribe", Protocol="sqs", TopicArn=self.topic, Endpoint=arn, **entry)
        found = re.search(r"<SubscriptionArn>([^<]+)<", told)
        assert found is not None, told
        try:
            yield url
        finally:  # a subscription that is left behind costs the server with every later record
            self._sns("Unsubscribe", SubscriptionArn=found[1])
            self._sqs("DeleteQueue", QueueUrl=url)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return bytes(reply.read())

    def _sqs(self, operation: str, **fields: object) -> dict[str, str]:
        headers = {"X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        return dict(json.loads(self._post(json.dumps(fields).encode(), headers) or b"{}"))

    def _sns(self, action: str, **fields: str | None) -> str:
        form = urllib.parse.urlencode({"Action": action, "Version": "2010-03-31", **fields})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._post(form.encode(), headers).decode()

    def _post(self, body: bytes, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(f"{self.url}/", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return bytes(reply.read())


@contextmanager
def local_aws(*assignments: str) -> Iterator[LocalAws]:
    """Serve the local AWS with these settings (`instances=4`) while the block runs."""
    command = [sys.executable, "-m", "fanout.cli", "simulate"]
    for assignment in ("verify_signatures=false", *assignments):
        command += ["--set", assignment]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=_clean(), text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or "{}")
        if not ready:
            sys.exit(f"the local AWS did not start: {' '.join(command)}")
        yield LocalAws(
            url=ready["url"],
            endpoint=ready["endpoint"],
            bucket=ready["input_bucket"],
            topic=ready["success_topic"],
            account=ready["account_id"],
            region=ready["region"],
            pid=ready["pid"],
            env=_clean() | _client(ready),
        )
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _clean() -> dict[str, str]:
    """Return this environment without anything that says AWS or fanout; the user's profile must not be used."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FANOUT_"))}
    nowhere = str(Path(os.devnull))
    return kept | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
    }


def _client(ready: dict[str, str]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": ready["url"],
        "AWS_REGION": ready["region"],
        "AWS_DEFAULT_REGION": ready["region"],  # boto3 knows this one alone
        "AWS_ACCESS_KEY_ID": ready["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ready["secret_access_key"],
        "AWS_SESSION_TOKEN": ready["session_token"],
    }
