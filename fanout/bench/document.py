"""Writes `bench.json`, what an experiment found, and reads it strictly for a later `--baseline`.

Version 1. Durations are milliseconds, sizes bytes, differences S3 minus inline. `valid` is false, and `all`, `groups`,
`crossing` and `savings` are null or empty, where something else than the service was measured (`client.limit`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fanout._version import __version__
from fanout.analysis.baseline import Change
from fanout.analysis.checks import Check
from fanout.analysis.client_check import Verdict
from fanout.analysis.comparison import Comparison, GroupResult, PhaseResult
from fanout.analysis.crossover import Crossing
from fanout.analysis.failures import Failures
from fanout.analysis.quantiles import Interval, Quantiles
from fanout.analysis.savings import Savings
from fanout.bench.run import BenchResult
from fanout.bench.setup import Difference, differences
from fanout.errors import Exit, UsageError
from fanout.files import BY_UMASK, write_json

KIND, VERSION = "fanout-bench", 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier experiment, as read from its `bench.json`.

    Attributes:
        record: What it recorded of itself.
    """

    path: Path
    record: Mapping[str, object]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that an experiment found.

    Attributes:
        comparison: What the pairs say; None where they say nothing of the service.
        savings: Per million rows; None likewise.
        failures: Requests that count, and how many of them failed.
        baseline: An earlier experiment to compare with.
        changes: Against the baseline.
        checks: What became of each `--fail-if`.
        notes: What a reader should know besides.
    """

    ran: BenchResult
    verdict: Verdict
    comparison: Comparison | None
    savings: Savings | None
    pairs: int
    incomplete: int
    failures: Failures
    baseline: Baseline | None = None
    changes: Sequence[Change] = ()
    checks: Sequence[Check] = ()
    notes: Sequence[str] = ()

    @property
    def exit(self) -> Exit:
        """75 after a signal; 3 where there is no result or a condition fails, like a run some of whose rows failed."""
        if self.ran.interrupted:
            return Exit.INTERRUPTED
        failed = self.comparison is None or any(check.fails for check in self.checks)
        return Exit.ROWS_FAILED if failed else Exit.OK

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        ran, comparison = self.ran, self.comparison
        started = dt.datetime.fromtimestamp(ran.started_at, dt.UTC)
        return {
            "kind": KIND,
            "version": VERSION,
            "fanout": __version__,
            "simulated": ran.simulated,
            "run": ran.run_id,
            "endpoint": ran.endpoint,
            "region": ran.setup.region,
            "started_at": started.isoformat(timespec="milliseconds"),
            "seconds": round(ran.seconds, 3),
            "output": str(ran.output),
            "exit_code": int(self.exit),
            "plan": asdict(ran.plan),
            "setup": asdict(ran.setup),
            "stopped": ran.stopped,
            "pairs": self.pairs,
            "incomplete": self.incomplete,
            "failures": asdict(self.failures),
            "errors": dict(ran.errors),
            "skipped": dict(ran.skipped),
            "throttles": ran.throttles,
            "warnings": list(self.notes),
            "valid": comparison is not None,
            "client": _rounded(asdict(self.verdict)),
            "all": _rounded(asdict(comparison.everything)) if comparison else None,
            "groups": [_rounded(asdict(group)) for group in comparison.groups] if comparison else [],
            "crossing": asdict(comparison.crossing) | {"text": str(comparison.crossing)}
            if comparison
            else None,
            "savings_per_million": asdict(self.savings) if self.savings else None,
            "baseline": self._against() if self.baseline else None,
            "checks": [asdict(check) for check in self.checks],
        }

    def _against(self) -> dict[str, Any]:
        assert self.baseline is not None
        changes = [_rounded(asdict(change)) | {"verdict": change.verdict} for change in self.changes]
        return {
            "path": str(self.baseline.path),
            "differs_in": [each.name for each in self.unlike],
            "differences": {each.name: [each.before, each.now] for each in self.unlike},
            "changes": changes,
        }

    @property
    def unlike(self) -> list[Difference]:
        """In what the two experiments differ, which may explain a difference of their results."""
        if self.baseline is None:
            return []
        ran = self.ran
        mine = {"endpoint": ran.endpoint, "simulated": ran.simulated, **asdict(ran.plan), **asdict(ran.setup)}
        return differences(json.loads(json.dumps(mine)), self.baseline.record)


def write_document(result: Result, path: Path) -> None:
    """Write `bench.json`, durably, in place of an earlier one.

    Raises:
        StorageError: The disk is full or failed.
    """
    write_json(path, result.as_dict(), mode=BY_UMASK)


def read_baseline(path: Path) -> Baseline:
    """Return an earlier experiment.

    Raises:
        UsageError: There is none, it is of another version, or it has no numbers to compare with.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        why = (error.strerror or "").lower() if isinstance(error, OSError) else ""
        raise UsageError(
            f"--baseline {path}: {why or 'is not a complete JSON document'}. Name an earlier bench.json"
        ) from error
    if not isinstance(content, dict) or content.get("kind") != KIND or content.get("version") != VERSION:
        raise UsageError(f"--baseline {path}: is not a bench.json of this version of fanout. Name another")
    if not content.get("valid"):
        raise UsageError(
            f"--baseline {path}: that experiment did not measure the service, so it has no numbers. Name another"
        )
    try:
        record = {name: content[name] for name in ("endpoint", "simulated", "region")}
        record |= {**content["plan"], **content.get("setup", {})}
        return Baseline(path, record, comparison_of(content))
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--baseline {path}: is damaged ({error!r})") from error


def comparison_of(content: Mapping[str, Any]) -> Comparison:
    """Return the comparison that `as_dict` spelt out."""
    crossing = {name: value for name, value in content["crossing"].items() if name != "text"}
    for name in ("between_bytes", "untold"):
        if crossing[name] is not None:
            crossing[name] = tuple(crossing[name])
    return Comparison(
        everything=_group(content["all"]),
        groups=tuple(_group(group) for group in content["groups"]),
        crossing=Crossing(**crossing),
        incomplete=content["incomplete"],
    )


def _group(content: Mapping[str, Any]) -> GroupResult:
    phases = {
        name: PhaseResult(
            inline=Quantiles(**phase["inline"]) if phase["inline"] else None,
            s3=Quantiles(**phase["s3"]) if phase["s3"] else None,
            difference=Interval(**phase["difference"]) if phase["difference"] else None,
        )
        for name, phase in content["phases"].items()
    }
    return GroupResult(**{**content, "phases": phases})


def _rounded(value: Any) -> Any:
    """Return JSON values with milliseconds to the microsecond: more digits would be noise."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
