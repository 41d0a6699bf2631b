"""Writes the report as JSON values, version 1, described field by field in docs/report-json.md.

Durations are in milliseconds (`*_ms`, and all quantiles), sizes in bytes, instants in seconds since the epoch, money in
US dollars.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fanout._version import __version__
from fanout.report.answers import answers
from fanout.report.document import Earlier, Report
from fanout.report.gates import Gates
from fanout.report.latency import shares

KIND, VERSION = "fanout-report", 1


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report as JSON values."""
    experiment = report.experiment
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
        "simulated": report.simulated,
        "files": [asdict(file) for file in report.files],
        "left_out": [asdict(each) for each in report.left_out],
        "counts": asdict(report.counts),
        "throttles": report.throttles,
        "timeline": asdict(report.timeline) if report.timeline else None,
        "latency": [asdict(each) | {"shares": shares(each.n)} for each in report.spreads],
        "latency_by_size": [asdict(each) for each in report.sizes],
        "waterfalls": [asdict(each) for each in report.waterfalls],
        "cost": asdict(report.cost),
        "experiment": found,
        "latency_over_time": asdict(report.over_time) if report.over_time else None,
        "tail": asdict(report.tail) if report.tail else None,
        "slowest": [asdict(each) for each in report.slowest],
        "client": asdict(report.client) if report.client else None,
        "gates": None if report.gates is None else _gates(report.gates),
        "baseline": asdict(report.bench.against) if report.bench and report.bench.against else None,
        "compared_with": None if report.earlier is None else _earlier(report.earlier),
        "answers": [asdict(each) for each in answers(report)],
    }


def _gates(gates: Gates) -> dict[str, Any]:
    return {"source": gates.source, "checks": [asdict(each) | {"fails": each.fails} for each in gates.checks]}


def _earlier(earlier: Earlier) -> dict[str, Any]:
    told = asdict(earlier.comparison)
    for line, each in zip(told["changes"], earlier.comparison.changes, strict=True):
        line["verdict"] = each.verdict
    return {"report": as_dict(earlier.report), **told}
