"""Forges the end of every row, has rows fail without a trace, audits the runs, and prints what came of them.

    python tests/simulation/hostile.py [--rows 500] [--seed 1]

Prints two tables in Markdown; exits 1 if a forged message ended a row or had one sent again uncounted, or if genuine
failures added more than the invocation timeout and a minute. Seconds are simulated, on a clock that jumps.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from support.hostile import ADDED_MAX_S, Case, Result, forged, genuine, play

HEAD = "| forged | rows | forged messages | rows ended wrongly | uncounted acceptances | re-sends | seconds |"


def run(case: Case, *, rows: int, seed: int) -> Result:
    """Run one case in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        return play(case, Path(directory), rows=rows, seed=seed)


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    broken = 0
    print(HEAD)  # noqa: T201 - the result
    print("|---|---:|---:|---:|---:|---:|---:|")  # noqa: T201
    for case in forged():
        got = run(case, rows=asked.rows, seed=asked.seed)
        broken += got.wrong + got.uncounted
        print(  # noqa: T201
            f"| {case.name} | {got.rows} | {got.forged:,} | {got.wrong} | {got.uncounted} | {got.resends} "
            f"| {got.seconds:,.0f} |",
            flush=True,
        )
    print("\n| genuine | rows | uncounted acceptances | re-sends | seconds | seconds added |")  # noqa: T201
    print("|---|---|---:|---:|---:|---:|")  # noqa: T201
    for case in genuine(share=0.01):
        calm = dataclasses.replace(case, world={**case.world, "failure_share": 0.0})
        without, got = (run(each, rows=asked.rows, seed=asked.seed) for each in (calm, case))
        added_s = got.seconds - without.seconds
        broken += got.uncounted + (added_s > ADDED_MAX_S)
        outcome = ", ".join(f"{count} {status}" for status, count in got.statuses.most_common())
        print(  # noqa: T201
            f"| {case.name} | {outcome} | {got.uncounted} | {got.resends} | {got.seconds:,.0f} | {added_s:,.0f} |",
            flush=True,
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
