"""Computes the report as values, once, from the output files; every form of it shows these values.

`as_dict` is the JSON form, version 1, described field by field in docs/report-json.md: durations in milliseconds
(`*_ms`, and all quantiles), sizes in bytes, instants in seconds since the epoch, money in US dollars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from fanout._version import __version__
from fanout.analysis.client_check import Verdict
from fanout.analysis.comparison import Comparison
from fanout.analysis.findings import tell, verdict_of
from fanout.analysis.output_files import Facts, LeftOut
from fanout.analysis.outputs import Outputs, open_outputs
from fanout.analysis.savings import Savings, savings
from fanout.aws.parts import put_requests
from fanout.aws.settings import MULTIPART_BYTES
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.domain.prices import Prices
from fanout.errors import UsageError
from fanout.output.object_place import is_remote
from fanout.report.cost import Cost, cost
from fanout.report.counts import Counts, count
from fanout.report.latency import SizeClass, Spread, by_size, shares, spreads
from fanout.report.timeline import Timeline, timeline
from fanout.report.waterfall import Waterfall, waterfalls
from fanout.source.remote import Remote

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
class Report:
    """What came of the rows of one or more output files.

    Attributes:
        simulated: Any of it was the local AWS: latencies say nothing about SageMaker.
        throttles: Replies that said to slow down; None if a file does not say.
        left_out: What a directory holds besides, with the reason.
        experiment: Of a single file that `fanout bench` wrote.
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

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        experiment = self.experiment
        found = None
        if experiment is not None:
            comparison = experiment.comparison
            found = asdict(experiment) | {"valid": comparison is not None}
            if comparison is not None:
                found["comparison"]["crossing"]["text"] = str(comparison.crossing)
        return {
            "kind": KIND,
            "version": VERSION,
            "fanout": __version__,
            "simulated": self.simulated,
            "files": [asdict(file) for file in self.files],
            "left_out": [asdict(each) for each in self.left_out],
            "counts": asdict(self.counts),
            "throttles": self.throttles,
            "timeline": asdict(self.timeline) if self.timeline else None,
            "latency": [asdict(each) | {"shares": shares(each.n)} for each in self.spreads],
            "latency_by_size": [asdict(each) for each in self.sizes],
            "waterfalls": [asdict(each) for each in self.waterfalls],
            "cost": asdict(self.cost),
            "experiment": found,
        }


def report_of(paths: Sequence[Path | str], prices: Prices, *, remote: Remote | None = None) -> Report:
    """Return the report of the rows in `paths`; `remote` reads those in S3.

    Raises:
        UsageError: A file that is not there, or not one of fanout's.
        RunError: S3 does not permit it, or does not answer.
    """
    outputs = open_outputs(paths, remote=remote)
    counts = count(outputs)
    throttles = [file.throttles for file in outputs.files]
    return Report(
        files=outputs.files,
        left_out=outputs.left_out,
        simulated=any(file.simulated for file in outputs.files),
        counts=counts,
        throttles=sum(number or 0 for number in throttles) if None not in throttles else None,
        timeline=timeline(outputs),
        spreads=spreads(outputs),
        sizes=by_size(outputs),
        waterfalls=waterfalls(outputs),
        cost=cost(counts.by_way, prices, small_s3=_small_s3(outputs), parts=_parts(outputs)),
        experiment=_experiment(outputs, prices),
    )


def _small_s3(outputs: Outputs) -> int:
    where = (pc.field("transport") == "s3") & (pc.field("payload_bytes") <= INLINE_MAX_BYTES)
    return outputs.count(where)


def _parts(outputs: Outputs) -> int:
    """Return the requests that uploads in parts took beyond one each."""
    where = (pc.field("transport") == "s3") & (pc.field("payload_bytes") >= MULTIPART_BYTES)
    sizes = (batch.column("payload_bytes") for batch in outputs.batches(("payload_bytes",), where=where))
    return sum(put_requests(size) - 1 for column in sizes for size in column.to_pylist())


def _experiment(outputs: Outputs, prices: Prices) -> Experiment | None:
    plan = outputs.files[0].plan
    if len(outputs.files) != 1 or plan is None:
        return None
    if is_remote(outputs.files[0].path):
        raise UsageError(
            f"{outputs.files[0].path} is an experiment of `fanout bench`: copy it here to report on it"
        )
    path = Path(outputs.files[0].path)
    throttles = outputs.files[0].throttles or 0
    verdict = verdict_of(
        path, throttles=throttles, closed=plan["closed"] is not None, late_ms=plan["late_ms"]
    )
    told = tell(path, verdict)
    total = told.comparison.everything.phases["total"].difference if told.comparison else None
    saved = savings(prices, total=total) if told.comparison else None
    return Experiment(verdict, told.comparison, saved, told.pairs, told.incomplete)
