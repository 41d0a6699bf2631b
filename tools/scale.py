"""Computes what runs on many machines cost an hour besides the endpoint, and writes that table of docs/scale.md anew.

    python -m tools.scale            # --check fails if the page differs

Prices of S3, SNS and SQS are `fanout.domain.prices`; those of computing and of shared disks are list prices of
us-east-1, with their pages below. How often a shard calls S3 is what the code says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fanout.analysis.prices import requests
from fanout.config.model import Config
from fanout.domain.prices import Prices
from fanout.runtime.place.sign_of_life import BEAT_S
from fanout.shards.kept_shards import LOOK_S
from fanout.shards.planning import LISTENERS_MAX

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- costs -->", "<!-- end of costs -->"
MACHINES = (10, 100, 1_000)
RATE_PER_S = 1_000
HOUR_S = 3_600
FARGATE_VCPU, FARGATE_GB = 0.04048, 0.004445
"""Dollars an hour, Linux on x86: https://aws.amazon.com/fargate/pricing/"""
EFS_WRITTEN_GB = 0.06
"""Dollars a GB written with elastic throughput: https://aws.amazon.com/efs/pricing/"""
ROW_JOURNAL_BYTES = 1_000
"""What a row of 1 KB leaves in journal and parts, on the safe side: its response, its instants, its journal lines."""
GROUPS_PER_S = 7.3
"""PUTs a second of a journal in S3 at a busy shard, with groups of `run.segment_s` = 0.1 s (`benchmarks/place.py`)."""
SEGMENTS_A_ROW = 3
"""That a row makes where it is alone: of its intent, of its acceptance, of its part."""
LISTS_PER_S = 1.0
"""LISTs a second of a shard that finds its results by listing, while rows are open."""


def table() -> str:
    """Return the table in Markdown."""
    prices = Prices()
    put, get = prices.s3_put_per_1000 / 1_000, prices.s3_get_per_1000 / 1_000
    rows = RATE_PER_S * HOUR_S
    of_rows = requests({"inline": rows}, published=False, received=False)
    by_messages = requests({"inline": rows}).dollars(prices) - of_rows.dollars(prices)
    rare = HOUR_S / BEAT_S * put + HOUR_S / LOOK_S * get
    lines = [
        ("Fargate, 1 vCPU and 2 GB each", lambda n: n * (FARGATE_VCPU + 2 * FARGATE_GB)),
        ("results in S3: a PUT of SageMaker's and a GET a row", lambda _: of_rows.dollars(prices)),
        ("their notices: SNS and SQS, ten a receive", lambda n: by_messages if n <= LISTENERS_MAX else None),
        (
            "instead of notices, listing",
            lambda n: None if n <= LISTENERS_MAX else n * LISTS_PER_S * HOUR_S * put,
        ),
        (
            "state in S3: PUTs of journals, at most",
            lambda n: n * min(GROUPS_PER_S, SEGMENTS_A_ROW * RATE_PER_S / n) * HOUR_S * put,
        ),
        ("... its heartbeats, and looks for `cancel`", lambda n: n * rare),
        (
            "or state on EFS, elastic: what is written",
            lambda _: rows * ROW_JOURNAL_BYTES / 1e9 * EFS_WRITTEN_GB,
        ),
    ]
    head = [
        f"| at {RATE_PER_S:,} rows/s | " + " | ".join(f"{count:,}" for count in MACHINES) + " |",
        "|---|---:|---:|---:|",
    ]
    return "\n".join(
        [
            *head,
            *(
                f"| {name} | " + " | ".join(_dollars(cost(count)) for count in MACHINES) + " |"
                for name, cost in lines
            ),
        ]
    )


def _dollars(value: float | None) -> str:
    return "-" if value is None else f"${value:,.2f}"


def main() -> int:
    """Write the table into the page, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    assert Config().run.segment_s == 0.1, "GROUPS_PER_S was measured with groups of 0.1 s"
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if asked.check:
        return int(made != text)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
