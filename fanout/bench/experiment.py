"""Carries out the experiment from beginning to end: from a configuration to a file, `bench.json` and a `Result`.

An error in what the user asks is reported before anything is sent.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fanout.analysis.baseline import Change, changes
from fanout.analysis.checks import Found, check, refuse_unanswerable, with_standard
from fanout.analysis.fail_conditions import Condition, parse_condition
from fanout.analysis.failures import read_failures
from fanout.analysis.findings import tell, verdict_of
from fanout.analysis.savings import savings
from fanout.bench.document import Baseline, Result, read_baseline, write_document
from fanout.bench.run import BenchResult, run_bench
from fanout.bench.settings import DOCUMENT, FILE, plan_of
from fanout.config.model import Config
from fanout.engine.snapshot import Observer
from fanout.errors import UsageError
from fanout.rundir.claim import Owner, claimed
from fanout.runtime.event_loop import run_in_event_loop


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of the result: conditions that make it fail, and an earlier one to compare it with."""

    conditions: Sequence[Condition] = ()
    baseline: Baseline | None = None


def ask(fail_if: Sequence[str], baseline: Path | None, *, config: Config) -> Questions:
    """Return the questions, to each of which the experiment of `config` can find the answer.

    Raises:
        UsageError: A condition that is none, or that asks for a size that will not be tried or for a baseline where
            there is none; an unusable baseline.
    """
    conditions = [parse_condition(text) for text in fail_if]
    earlier = read_baseline(baseline) if baseline else None
    sizes = None if config.input.paths else plan_of(config, seed=0).sizes
    for condition in conditions:
        refuse_unanswerable(condition, sizes=sizes, before=earlier.comparison if earlier else None)
    return Questions(with_standard(conditions), earlier)


def bench(
    config: Config, directory: Path, *, seed: int, questions: Questions, observer: Observer, overwrite: bool
) -> Result:
    """Carry out the experiment, write its two files into `directory`, and return what it found.

    Raises:
        OutputInUse: Another process has `directory`.
        UsageError: `directory` holds an experiment already, or the configuration cannot be carried out.
        RunError: It could not be finished.
    """
    _refuse_to_replace(directory, overwrite=overwrite)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory} cannot be created ({error.strerror})") from error
    with claimed(str(directory.absolute())) as held:
        held.note(Owner.here("bench", run_dir=None, now=time.time()))
        held.drop()  # an experiment cannot be resumed
        _refuse_to_replace(directory, overwrite=overwrite)  # of one that ended since
        ran = run_in_event_loop(functools.partial(run_bench, config, directory, seed=seed, observer=observer))
        result = finish_run(ran, config, questions)
        write_document(result, directory / DOCUMENT)
        return result


def _refuse_to_replace(directory: Path, *, overwrite: bool) -> None:
    for name in (FILE, DOCUMENT):
        if (directory / name).exists() and not overwrite:
            raise UsageError(f"{directory / name} exists: name another directory, or add --overwrite")


def finish_run(ran: BenchResult, config: Config, questions: Questions) -> Result:
    """Return what an experiment found."""
    verdict = verdict_of(
        ran.output,
        throttles=ran.throttles,
        closed=config.bench.closed is not None,
        late_ms=config.bench.late_ms,
        lags_ms=ran.lags_ms,
    )
    told, failures = tell(ran.output, verdict), read_failures(ran.output)
    comparison, before = told.comparison, questions.baseline
    earlier = before.comparison if before else None
    between: list[Change] = changes(comparison, earlier) if comparison and earlier else []
    found = Found(comparison, failures, before=earlier, changes=between)
    total = comparison.everything.phases["total"].difference if comparison else None
    return Result(
        ran=ran,
        verdict=verdict,
        comparison=comparison,
        savings=savings(config.prices, total=total) if comparison else None,
        pairs=told.pairs,
        incomplete=told.incomplete,
        failures=failures,
        baseline=before,
        changes=between,
        checks=[check(each, found) for each in questions.conditions],
        notes=ran.warnings,
    )
