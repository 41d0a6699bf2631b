"""Runs many seeds of the simulated engine: `python tests/simulation/runner.py --seeds 2000 --processes 2`.

With `--kept` the state of each run is in S3: hosts are lost, and owners are stopped while another takes the run over.

Prints each seed that breaks an invariant with the command that repeats it, and a table in markdown; exits 1 if any did.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from support.place_run import draw_sleeps, live_kept
from support.scenario import draw
from support.seed_run import Report, live

CHUNK = 10  # seeds that a process takes at a time
FAST = Path("/dev/shm")  # fsync costs nothing there; what a disk loses in a power cut is not simulated
REPEAT = "python tests/simulation/runner.py --seeds 1 --start {seed} --rows {rows} --processes 1{kept}"


@dataclass
class Total:
    """The sum of many reports."""

    seeds: int = 0
    rows: int = 0
    accepted: int = 0
    resends: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.rows += report.rows
        self.accepted += report.accepted
        self.resends += report.resends
        self.virtual_s += report.virtual_s
        self.statuses += report.statuses
        self.endings += report.endings
        self.faults += report.faults

    def merge(self, other: Total) -> None:
        for name in (
            "seeds",
            "rows",
            "accepted",
            "resends",
            "virtual_s",
            "cpu_s",
            "statuses",
            "endings",
            "faults",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed |= other.failed

    def table(self, wall_s: float) -> str:
        """Return everything as markdown."""
        interrupted = sum(count for name, count in self.endings.items() if name != "finished")
        lines = [
            ("seeds", f"{self.seeds:,}, {len(self.failed)} failed"),
            ("rows", f"{self.rows:,}"),
            ("processes interrupted", f"{interrupted:,}"),
            *(
                (f"- {name}", f"{count:,}")
                for name, count in self.endings.most_common()
                if name != "finished"
            ),
            ("acceptances", f"{self.accepted:,}"),
            ("re-sends counted", f"{self.resends:,}"),
            *((f"rows {name}", f"{count:,}") for name, count in self.statuses.most_common()),
            *((f"fault: {_plain(name)}", f"{count:,}") for name, count in sorted(self.faults.items())),
            ("simulated time", f"{self.virtual_s / 3_600:,.0f} h"),
            ("CPU", f"{self.cpu_s:,.0f} s"),
            ("wall", f"{wall_s:,.0f} s"),
        ]
        return "\n".join(
            ["| what | how much |", "|---|---:|", *(f"| {name} | {value} |" for name, value in lines)]
        )


def _plain(name: str) -> str:
    return name.removesuffix("_share").replace("_", " ")


def run_seed(seed: int, *, rows: int, kept: bool = False) -> Report:
    """Run one seed in a directory of its own.

    Raises:
        AssertionError: An invariant does not hold.
    """
    with tempfile.TemporaryDirectory(dir=FAST if os.access(FAST, os.W_OK) else None) as directory:
        if not kept:
            return live(draw(seed, rows=rows), Path(directory))
        report, sends = live_kept(draw(seed, rows=rows), Path(directory), sleeps=draw_sleeps(seed))
        assert sends.late == 0, "it sent after its release had lapsed"
        report.endings["sent while another owned the run, before the lapse"] += sends.within
        return report


def run_seeds(seeds: range, rows: int, kept: bool = False) -> Total:
    """Run seeds one after the other; a failing one does not stop the rest."""
    total = Total()
    began = _cpu_s()
    gc.disable()  # a seed makes cycles by the thousand and ends soon
    gc.freeze()
    pa.set_cpu_count(1)  # as many processes as cores run already
    for seed in seeds:
        try:
            total.add(run_seed(seed, rows=rows, kept=kept))
        except Exception as error:
            total.failed[seed] = explain(error)
        gc.collect()
    gc.enable()
    total.cpu_s = _cpu_s() - began
    return total


def explain(error: BaseException) -> str:
    """Return the first thing that went wrong, on one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_all(seeds: range, *, rows: int, processes: int, kept: bool = False) -> Iterator[Total]:
    """Yield the totals of chunks of seeds as they come."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if processes == 1:
        yield from (run_seeds(chunk, rows, kept) for chunk in chunks)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_seeds, chunks, [rows] * len(chunks), [kept] * len(chunks))


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kept", action="store_true", help="keep the state of each run in S3")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    total = Total()
    for part in run_all(
        range(asked.start, asked.start + asked.seeds),
        rows=asked.rows,
        processes=asked.processes,
        kept=asked.kept,
    ):
        total.merge(part)
        for seed, problem in part.failed.items():
            repeat = REPEAT.format(seed=seed, rows=asked.rows, kept=" --kept" if asked.kept else "")
            print(f"seed {seed}: {problem}\n    {repeat}", flush=True)  # noqa: T201 - the person who started it reads it
    print(total.table(time.monotonic() - began))  # noqa: T201 - its result
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
