"""The script that a good engineer writes: aiobotocore on uvloop, few long-lived workers, a collector beside them.

Concurrency is bounded by the number of workers, the pool holds a connection for each, messages are received and
deleted by ten and their objects fetched together; no task, no lock and no semaphore per record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from itertools import islice
from pathlib import Path

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

WORKERS = 64
COLLECTORS = 8


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--queue", help="queue that hears of successes; needs --output")
    parser.add_argument("--output", help="Parquet file to write; without it, requests are submitted only")
    asked = parser.parse_args()
    session = get_session()
    config = AioConfig(max_pool_connections=max(WORKERS, COLLECTORS * 10))
    with Path(asked.input).open("rb") as file:
        rows = enumerate(line.rstrip(b"\n") for line in islice(file, asked.limit))
        async with session.create_client("sagemaker-runtime", config=config) as runtime:
            submitting = [submit(runtime, rows, asked.endpoint) for _ in range(WORKERS)]
            if not asked.output:
                await asyncio.gather(*submitting)
                return
            async with (
                session.create_client("sqs", config=config) as sqs,
                session.create_client("s3", config=config) as s3,
            ):
                results: dict[int, bytes] = {}
                everything = asyncio.Event()
                collectors = [
                    asyncio.create_task(
                        collect(sqs, s3, asked.queue, results, wanted=asked.limit, everything=everything)
                    )
                    for _ in range(COLLECTORS)
                ]
                await asyncio.gather(*submitting)
                await everything.wait()
                for collector in collectors:  # what is left of them are long polls that nothing answers
                    collector.cancel()
                await asyncio.gather(*collectors, return_exceptions=True)
    write(results, asked.output)


async def submit(runtime, rows, endpoint: str) -> None:
    for row, payload in rows:  # one iterator for all workers
        reply = await runtime.invoke_endpoint_async(
            EndpointName=endpoint, Body=payload, ContentType="application/json", InferenceId=str(row)
        )
        assert reply["OutputLocation"]


async def collect(sqs, s3, queue: str, results: dict[int, bytes], *, wanted: int, everything) -> None:
    while True:
        received = await sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = received.get("Messages", [])
        if not messages:
            continue
        notices = [json.loads(message["Body"]) for message in messages]
        bodies = await asyncio.gather(
            *(fetch(s3, notice["responseParameters"]["outputLocation"]) for notice in notices)
        )
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        await sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        for notice, body in zip(notices, bodies, strict=True):
            results[int(notice["inferenceId"])] = body
        if len(results) == wanted:
            everything.set()


async def fetch(s3, location: str) -> bytes:
    bucket, _, key = location[5:].partition("/")
    found = await s3.get_object(Bucket=bucket, Key=key)
    async with found["Body"] as stream:
        return await stream.read()


def write(results: dict[int, bytes], path: str) -> None:
    import pyarrow as pa  # noqa: PLC0415 - who submits only does not pay for it
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    rows = sorted(results)
    pq.write_table(pa.table({"row": rows, "response": [results[row] for row in rows]}), path)


if __name__ == "__main__":
    uvloop.run(main())
