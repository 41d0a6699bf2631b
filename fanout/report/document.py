"""Holds the report as values, which every form of it shows; `build` computes them from the output files."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.analysis.client_check import Verdict
from fanout.analysis.comparison import Comparison
from fanout.analysis.output_files import Facts, LeftOut
from fanout.analysis.savings import Savings
from fanout.report.bench_record import BenchRecord
from fanout.report.client import Client
from fanout.report.cost import Cost
from fanout.report.counts import Counts
from fanout.report.gates import Gates
from fanout.report.latency import SizeClass, Spread
from fanout.report.over_time import OverTime
from fanout.report.side_by_side import RunComparison
from fanout.report.slowest import SlowRow
from fanout.report.tail import Tail
from fanout.report.timeline import Timeline
from fanout.report.waterfall import Waterfall
from fanout.rundir.provenance import Provenance

KIND, VERSION = "fanout-report", 1


@dataclass(frozen=True, slots=True)
class Experiment:
    """What the pairs of an experiment say; `comparison` is None where they say nothing of the service."""

    verdict: Verdict
    comparison: Comparison | None
    savings: Savings | None
    pairs: int
    incomplete: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """The run that this one is compared with."""

    report: Report
    comparison: RunComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of the rows of one or more output files.

    Attributes:
        simulated: Any of it was the local AWS: latencies say nothing about SageMaker.
        throttles: Replies that said to slow down; None if a file does not say.
        left_out: What a directory holds besides.
        experiment: Of a single file that `fanout bench` wrote.
        over_time: How latency went; None if no row succeeded.
        tail: Why the slowest hundredth is slow; None if rows are few.
        client: How the client kept up with its schedule; None if nothing was sent, and of an experiment, which has a
            verdict of its own.
        gates: Verdicts of conditions; None if none was given, or they are not known.
        bench: What an experiment recorded beside its rows; None if that is not there.
        earlier: What a run is compared with.
    """

    files: tuple[Facts, ...]
    left_out: tuple[LeftOut, ...]
    simulated: bool
    counts: Counts
    throttles: int | None
    timeline: Timeline | None
    spreads: tuple[Spread, ...]
    sizes: tuple[SizeClass, ...]
    waterfalls: tuple[Waterfall, ...]
    cost: Cost
    experiment: Experiment | None
    over_time: OverTime | None = None
    tail: Tail | None = None
    slowest: tuple[SlowRow, ...] = ()
    client: Client | None = None
    gates: Gates | None = None
    bench: BenchRecord | None = None
    earlier: Earlier | None = None

    @property
    def withheld(self) -> bool:
        """Whether something else than the service was measured, so that no latency is told."""
        return self.experiment is not None and self.experiment.comparison is None

    @property
    def provenance(self) -> Provenance | None:
        """Who made it, where, with what; None if it does not say, or the files say it each for itself."""
        return self.files[0].provenance if len(self.files) == 1 else None

    @property
    def place(self) -> Provenance | None:
        """What tells account, region and instances; None if no file does, or if they do not agree."""
        told = [file.provenance for file in self.files]
        first = told[0]
        if first is None or any(each is None or each.place != first.place for each in told):
            return None
        return first

    def spread(self, phase: str, way: str) -> Spread | None:
        """Return one phase's latencies of one transport, if there are any."""
        return next((each for each in self.spreads if (each.phase, each.way) == (phase, way)), None)

    @property
    def ways(self) -> list[str]:
        """The transports of the rows."""
        return list(dict.fromkeys(each.way for each in self.spreads))

    @property
    def phases(self) -> list[str]:
        """The phases that any row had."""
        return list(dict.fromkeys(each.phase for each in self.spreads))
