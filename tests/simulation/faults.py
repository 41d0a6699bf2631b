"""Injects every fault, one at a time, into a run on a virtual clock, audits it, and prints what came of it.

    python tests/simulation/faults.py [--rows 500] [--seed 1]

Prints a table in Markdown; exits 1 if an audit failed. A tenth of the payloads goes via S3. Seconds are simulated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from support.audit import audit
from support.engine import random_payloads, records, run_engine
from support.faults import FAULTS, settings


def line(name: str, *, rows: int, seed: int) -> str:
    """Return the table's line for one fault.

    Raises:
        AssertionError: An invariant does not hold.
    """
    payloads = random_payloads(rows, seed=seed, large_share=0.1)
    with tempfile.TemporaryDirectory() as directory:
        ran = run_engine(records(payloads), Path(directory), simulator=settings(name, seed=seed), seed=seed)
    audit(ran.table, payloads, accepted=ran.accepted, may_be_empty=True)
    statuses = Counter(ran.table["status"].to_pylist())
    outcome = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    found = sum(how == "list" for how in ran.table["noticed_by"].to_pylist())
    resends = sum(ran.table["resends"].to_pylist())
    return f"| {name} | {outcome} | {len(ran.accepted)} | {resends} | {found} | {ran.seconds:,.0f} |"


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print("| fault | rows | acceptances | re-sends | found in S3 | seconds |")  # noqa: T201 - the result
    print("|---|---|---:|---:|---:|---:|")  # noqa: T201
    failed = 0
    for name in FAULTS:
        try:
            print(line(name, rows=asked.rows, seed=asked.seed), flush=True)  # noqa: T201
        except AssertionError as error:
            failed += 1
            print(f"| {name} | **failed: {str(error).splitlines()[0]}** | | | | |", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
