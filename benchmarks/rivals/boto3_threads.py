"""The script that people write: boto3 in a pool of threads, and with --output, threads that collect from the queue.

It is given a pool of connections as large as its pool of threads, which many such scripts forget.
"""

from __future__ import annotations

import argparse
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import boto3
from botocore.config import Config

THREADS = 32  # more gain nothing: the interpreter's lock is the limit
COLLECTORS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--queue", help="queue that hears of successes; needs --output")
    parser.add_argument("--output", help="Parquet file to write; without it, requests are submitted only")
    asked = parser.parse_args()
    with Path(asked.input).open("rb") as file:
        payloads = [line.rstrip(b"\n") for line in islice(file, asked.limit)]
    config = Config(max_pool_connections=THREADS + COLLECTORS)
    runtime = boto3.client("sagemaker-runtime", config=config)

    def submit(row: int, payload: bytes) -> str:
        reply = runtime.invoke_endpoint_async(
            EndpointName=asked.endpoint, Body=payload, ContentType="application/json", InferenceId=str(row)
        )
        return reply["OutputLocation"]

    if not asked.output:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(submit, range(len(payloads)), payloads))
        return

    sqs, s3 = boto3.client("sqs", config=config), boto3.client("s3", config=config)
    results: dict[int, bytes] = {}
    lock = threading.Lock()

    def collect() -> None:
        while len(results) < len(payloads):
            received = sqs.receive_message(QueueUrl=asked.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            messages = received.get("Messages", [])
            for message in messages:
                notice = json.loads(message["Body"])
                bucket, _, key = notice["responseParameters"]["outputLocation"][5:].partition("/")
                body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                with lock:
                    results[int(notice["inferenceId"])] = body
            if messages:
                entries = [
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)
                ]
                sqs.delete_message_batch(QueueUrl=asked.queue, Entries=entries)

    with ThreadPoolExecutor(THREADS) as pool, ThreadPoolExecutor(COLLECTORS) as collectors:
        waiting = [collectors.submit(collect) for _ in range(COLLECTORS)]
        list(pool.map(submit, range(len(payloads)), payloads))
        for each in waiting:
            each.result()
    write(results, asked.output)


def write(results: dict[int, bytes], path: str) -> None:
    import pyarrow as pa  # noqa: PLC0415 - who submits only does not pay for it
    import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

    rows = sorted(results)
    pq.write_table(pa.table({"row": rows, "response": [results[row] for row in rows]}), path)


if __name__ == "__main__":
    main()
