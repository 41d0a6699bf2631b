"""Puts the results of a plan's shards together: their parts one after the other, their counts added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fanout.output.parts import Part, read_parts
from fanout.output.shift import Shift
from fanout.rundir.paths import RunDirectory
from fanout.rundir.shard_plan import PlannedShard, ShardPlan
from fanout.rundir.shard_result import ShardResult, read_shard_result, total
from fanout.runtime.result import WorkResult


def merged(plan: ShardPlan, directories: Iterable[RunDirectory]) -> WorkResult:
    """Return what all shards came to; their rows are numbered through when their parts are read.

    Args:
        plan: Says what each shard read.
        directories: Of the shards, in the plan's order.

    Raises:
        JournalError: A shard has not finished, or its figures are damaged.
        StorageError: A part cannot be read.
    """
    parts: list[Part] = []
    results: list[ShardResult] = []
    rows = 0
    for shard, directory in zip(plan.shards, directories, strict=True):
        shift = Shift(rows, tuple(unit.path for unit in shard.units))
        result = read_shard_result(directory.subtotal)
        parts += [part.shifted(shift) for part in read_parts(directory.parts)]
        results.append(_shifted(result, shift))
        rows += result.tally.rows
    summed = total(results)
    warnings = tuple(dict.fromkeys((*plan.warnings, *summed.warnings)))
    return WorkResult(parts, summed.tally, summed.throttles, warnings)


def finished_parts(plan: ShardPlan, directories: Sequence[RunDirectory]) -> tuple[list[Part], list[int]]:
    """Return the parts of the shards that have finished, renumbered, and which shards have not."""
    parts: list[Part] = []
    missing: list[int] = []
    for index, (directory, shift) in enumerate(shifts_of(plan, directories).items()):
        if directory.subtotal.exists():
            parts += [part.shifted(shift) for part in read_parts(directory.parts)]
        else:
            missing.append(index)
    return parts, missing


def shifts_of(plan: ShardPlan, directories: Sequence[RunDirectory]) -> dict[RunDirectory, Shift]:
    """Return how the rows of each shard of an unfinished run are numbered, each row once.

    A shard that has not finished, of JSON Lines, does not know how many rows it will have: those of the shards behind
    it are numbered as if it had none but those that have ended.

    Raises:
        JournalError: A shard's figures are damaged.
        StorageError: A part cannot be read.
    """
    shifts: dict[RunDirectory, Shift] = {}
    rows = 0
    for shard, directory in zip(plan.shards, directories, strict=True):
        shifts[directory] = Shift(rows, tuple(unit.path for unit in shard.units))
        rows += _rows_of(shard, directory)
    return shifts


def _rows_of(shard: PlannedShard, directory: RunDirectory) -> int:
    told = [unit.rows for unit in shard.units]
    if None not in told:
        return sum(rows for rows in told if rows is not None)
    if directory.subtotal.exists():
        return read_shard_result(directory.subtotal).tally.rows
    parts = read_parts(directory.parts) if directory.parts.is_dir() else []
    return max((part.max_row + 1 for part in parts), default=0)


def _shifted(result: ShardResult, shift: Shift) -> ShardResult:
    """Return a shard's counts with the rows in its examples of errors numbered through."""
    examples = {code: shift.message(text) for code, text in result.tally.examples.items()}
    return replace(result, tally=replace(result.tally, examples=examples))
