"""The SageMaker SDK's AsyncPredictor in threads: it uploads each payload, invokes, and finds the result in S3.

`predict` itself waits a second or more a row, in two more threads; `get_result`, asked again while there is nothing,
is the quicker of the two documented ways. Ten threads, as many as the SDK's clients have connections.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from sagemaker.base_predictor import Predictor
from sagemaker.exceptions import ObjectNotExistedError
from sagemaker.predictor_async import AsyncPredictor
from sagemaker.session import Session

THREADS = 10  # botocore's default for max_pool_connections
AGAIN_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--bucket", required=True, help="where the SDK uploads payloads")
    parser.add_argument("--output", help="Parquet file to write; without it, requests are submitted only")
    asked = parser.parse_args()
    with Path(asked.input).open("rb") as file:
        payloads = [line.rstrip(b"\n") for line in islice(file, asked.limit)]
    session = Session(default_bucket=asked.bucket)
    predictor = AsyncPredictor(Predictor(asked.endpoint, sagemaker_session=session))

    def submit(row: int, payload: bytes):
        place = f"s3://{asked.bucket}/sagemaker-sdk/{row}"
        return predictor.predict_async(data=payload, input_path=place, inference_id=str(row))

    def predict(row: int, payload: bytes) -> bytes:
        pending = submit(row, payload)
        while True:
            try:
                return pending.get_result()
            except ObjectNotExistedError:
                time.sleep(AGAIN_S)

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(predict if asked.output else submit, range(len(payloads)), payloads))
    if asked.output:
        import pyarrow as pa  # noqa: PLC0415 - who submits only does not pay for it
        import pyarrow.parquet as pq  # noqa: PLC0415 - likewise

        pq.write_table(pa.table({"row": range(len(results)), "response": results}), asked.output)


if __name__ == "__main__":
    main()
