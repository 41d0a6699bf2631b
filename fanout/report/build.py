"""Computes a report from output files: every fold over their rows, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from fanout.analysis.fail_conditions import Condition
from fanout.analysis.findings import tell, verdict_of
from fanout.analysis.outputs import Outputs, open_outputs
from fanout.analysis.run_checks import Earlier as MeasuredEarlier
from fanout.analysis.run_checks import refuse_for_runs
from fanout.analysis.savings import savings
from fanout.aws.parts import put_requests
from fanout.aws.settings import MULTIPART_BYTES
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.domain.prices import Prices
from fanout.errors import UsageError
from fanout.output.object_place import is_remote
from fanout.report.bench_record import read_bench_record
from fanout.report.client import client
from fanout.report.cost import Instances, cost, instances
from fanout.report.counts import count
from fanout.report.document import Earlier, Experiment, Report
from fanout.report.gates import Gates, judge_experiment, judge_run, measured
from fanout.report.latency import by_size, spreads
from fanout.report.over_time import over_time
from fanout.report.side_by_side import compare_runs
from fanout.report.slowest import slowest
from fanout.report.tail import tail
from fanout.report.timeline import Timeline, timeline
from fanout.report.waterfall import waterfalls
from fanout.source.remote import Remote


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a report beside its numbers.

    Attributes:
        conditions: That the rows have to meet (`--fail-if`).
        compare: Compare the second of two outputs with the first.
    """

    conditions: tuple[Condition, ...] = ()
    compare: bool = False


def make_report(
    paths: Sequence[Path | str], prices: Prices, asked: Asked, *, remote: Remote | None = None
) -> Report:
    """Return the report of the rows in `paths`, as it is asked for.

    Raises:
        UsageError: A file that is not there, or not one of fanout's; a condition that these rows cannot answer; other
            than two paths to compare.
        RunError: S3 does not permit it, or does not answer.
    """
    if not asked.compare:
        return report_of(paths, prices, remote=remote, conditions=asked.conditions)
    if len(paths) != 2:
        raise UsageError(
            f"--compare takes two outputs, the earlier one first, and {len(paths)} were named: "
            "fanout report EARLIER THIS --compare"
        )
    return compared_report(paths[0], paths[1], prices, remote=remote, conditions=asked.conditions)


def report_of(
    paths: Sequence[Path | str],
    prices: Prices,
    *,
    remote: Remote | None = None,
    conditions: Sequence[Condition] = (),
) -> Report:
    """Return the report of the rows in `paths`.

    Args:
        paths: Output files, here or in S3.
        prices: The price table.
        remote: Reads those in S3.
        conditions: That the rows have to meet.

    Raises:
        UsageError: A file that is not there, or not one of fanout's; a condition that these rows cannot answer.
        RunError: S3 does not permit it, or does not answer.
    """
    outputs = open_outputs(paths, remote=remote)
    if not outputs.files[0].plan:  # before a long fold
        refuse_for_runs(conditions, compared=False)
    return _report(outputs, prices, conditions=conditions)


def compared_report(
    before: Path | str,
    now: Path | str,
    prices: Prices,
    *,
    remote: Remote | None = None,
    conditions: Sequence[Condition] = (),
) -> Report:
    """Return the report of the run `now` that compares it with the run `before`; raises as `report_of` does."""
    open_outputs([before, now], remote=remote)  # refuses what cannot stand beside each other
    earlier, outputs = (open_outputs([path], remote=remote) for path in (before, now))
    refuse_for_runs(conditions, compared=True)
    comparison = compare_runs(earlier, outputs)
    return _report(
        outputs, prices, conditions=conditions, earlier=Earlier(_report(earlier, prices), comparison)
    )


def _report(
    outputs: Outputs,
    prices: Prices,
    *,
    conditions: Sequence[Condition] = (),
    earlier: Earlier | None = None,
) -> Report:
    counts, line = count(outputs), timeline(outputs)
    throttles = [file.throttles for file in outputs.files]
    throttled = sum(number or 0 for number in throttles) if None not in throttles else None
    latencies = spreads(outputs)
    experiment = _experiment(outputs, prices)
    bench = None
    if experiment is not None:
        file = outputs.files[0]
        bench = read_bench_record(Path(file.path), run_id=file.run)
        gates = judge_experiment(conditions, experiment.comparison, path=Path(file.path))
        if gates is None and bench is not None:
            gates = Gates(bench.checks, bench.path)
    else:
        against = None
        if earlier is not None:
            was = measured(earlier.report.spreads, earlier.report.counts)
            against = MeasuredEarlier(was, earlier.comparison.totals())
        gates = judge_run(conditions, measured(latencies, counts), earlier=against)
    return Report(
        files=outputs.files,
        left_out=outputs.left_out,
        simulated=any(file.simulated for file in outputs.files),
        counts=counts,
        throttles=throttled,
        timeline=line,
        spreads=latencies,
        sizes=by_size(outputs),
        waterfalls=waterfalls(outputs),
        cost=cost(
            counts.by_way,
            prices,
            small_s3=_small_s3(outputs),
            parts=_parts(outputs),
            used=_instances(outputs, line, prices),
        ),
        experiment=experiment,
        over_time=over_time(outputs, line),
        tail=tail(outputs),
        slowest=slowest(outputs),
        client=None if experiment is not None else client(outputs, line, throttles=throttled),
        gates=gates,
        bench=bench,
        earlier=earlier,
    )


def _instances(outputs: Outputs, line: Timeline | None, prices: Prices) -> Instances | None:
    said = outputs.files[0].provenance if len(outputs.files) == 1 else None
    if said is None or line is None:
        return None
    return instances(said.instance_types, seconds=line.seconds, prices=prices)


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
