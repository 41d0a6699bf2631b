"""How many invocations a second the simulator takes on one core, with and without signatures verified.

A child serves; this process sends requests that it has signed before, over keep-alive connections that do nothing
but send and read. A queue is subscribed, so that every invocation also ends in an output object and a message.
Each case runs several times, in turns; every rate is printed, because a busy neighbour shows as spread.
Run: python benchmarks/simulator.py [--invocations 20000] [--repeats 5] [--connections 32] [--bytes 1024]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fanout.simulator.process import SimulatorAddress, start
from fanout.simulator.settings import SimulatorSettings

TARGETS = {
    True: 8_000,
    False: 15_000,
}  # invocations a second: the simulator must never be what a test waits for


class Client(asyncio.Protocol):
    """One connection: sends the next request as soon as it has read a reply."""

    def __init__(self, requests: Iterator[bytes], *, failed: list[bytes]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._failed = failed
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, body = self._unread.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.partition(b"Content-Length: ")
        if len(body) < int(length.partition(b"\r\n")[0]):
            return
        if not head.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200")):
            self._failed.append(self._unread)
        self._unread = b""
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(request)


def sign(ready: SimulatorAddress, service: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return one request's bytes, signed by botocore."""
    request = AWSRequest("POST", ready.url + path, headers={"Host": ready.url[7:], **headers}, data=body)
    credentials = Credentials(ready.access_key_id, ready.secret_access_key, ready.session_token)
    SigV4Auth(credentials, service, ready.region).add_auth(request)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def invocations(ready: SimulatorAddress, count: int, payload: bytes) -> list[bytes]:
    path = f"/endpoints/{ready.endpoint}/async-invocations"
    return [
        sign(
            ready,
            "sagemaker",
            path,
            {
                "X-Amzn-SageMaker-Content-Type": "application/json",
                "X-Amzn-SageMaker-Inference-Id": f"abcdefghij.{row}.0.1",
                "X-Amzn-SageMaker-S3OutputPathExtension": f"fanout/abcdefghij/{row & 255:02x}",
                "X-Amzn-SageMaker-Filename": f"{row}.0",
            },
            payload,
        )
        for row in range(count)
    ]


def subscription(ready: SimulatorAddress) -> list[bytes]:
    """Return the requests that subscribe a queue to the success topic."""
    arn = f"arn:aws:sqs:{ready.region}:{ready.account_id}:benchmark"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": ready.success_topic}},
    }
    queue = {"QueueName": "benchmark", "Attributes": {"Policy": json.dumps({"Statement": [statement]})}}
    form = f"Action=Subscribe&Protocol=sqs&TopicArn={ready.success_topic}&Endpoint={arn}"
    form += "&Attributes.entry.1.key=RawMessageDelivery&Attributes.entry.1.value=true"
    return [
        sign(ready, "sqs", "/", {"X-Amz-Target": "AmazonSQS.CreateQueue"}, json.dumps(queue).encode()),
        sign(ready, "sns", "/", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode()),
    ]


async def send(ready: SimulatorAddress, requests: list[bytes], *, connections: int) -> float:
    """Send all and return the seconds it took.

    Raises:
        SystemExit: A request was refused.
    """
    loop = asyncio.get_running_loop()
    host, port = ready.url[7:].split(":")
    failed: list[bytes] = []
    pending = iter(requests)
    started = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(pending, failed=failed), host, int(port)))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    if failed:
        sys.exit(f"{len(failed)} of {len(requests)} refused, the first with {failed[0]!r}")
    return time.perf_counter() - started


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(*, verify: bool, count: int, connections: int, payload: bytes) -> tuple[float, float]:
    """Return (invocations a second, microseconds of the server's CPU for each)."""
    async with start(SimulatorSettings(verify_signatures=verify)) as ready:
        await send(ready, subscription(ready), connections=1)
        requests = invocations(ready, count, payload)
        before = cpu_s(ready.pid)
        elapsed_s = await send(ready, requests, connections=connections)
        used_s = cpu_s(ready.pid) - before
        stats = f"GET /_simulator/stats HTTP/1.1\r\nHost: {ready.url[7:]}\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection(*ready.url[7:].split(":"))
        writer.write(stats)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        delivered = json.loads(await reader.readexactly(length))["messages_delivered"]
        writer.close()
    if delivered != count:
        sys.exit(f"{delivered} of {count} notifications arrived in the queue")
    return count / elapsed_s, used_s / count * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--bytes", type=int, default=1_024)
    options = parser.parse_args()
    payload = os.urandom(options.bytes)
    runs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for _ in range(options.repeats):
        for verify, measured in runs.items():
            measured.append(
                await measure(
                    verify=verify, count=options.invocations, connections=options.connections, payload=payload
                )
            )
    for verify, measured in runs.items():
        rates = sorted(rate for rate, _ in measured)
        result = {
            "signatures": "verified" if verify else "ignored",
            "invocations_per_s": round(statistics.median(rates)),
            "target_per_s": TARGETS[verify],
            "all_runs_per_s": [round(rate) for rate in rates],
            "server_cpu_us": round(statistics.median(cpu for _, cpu in measured), 1),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    uvloop.run(main())
