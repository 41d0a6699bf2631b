"""Compares an output with its input: one row per payload, each with the answer to that payload. Exits 1 if not."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq


def main() -> None:
    source, limit, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with Path(source).open("rb") as file:
        sent = Counter(hashlib.sha256(line.rstrip(b"\n")).hexdigest() for line in islice(file, limit))
    responses = pq.read_table(output, columns=["response"])["response"].to_pylist()
    # The simulated model answers with its payload's SHA-256.
    answered = Counter(json.loads(response)["sha256"] if response else None for response in responses)
    if sent != answered:
        missing, extra = (sent - answered).total(), (answered - sent).total()
        sys.exit(f"{output}: {missing} of {limit} payloads are not answered, {extra} answers too many")


if __name__ == "__main__":
    main()
