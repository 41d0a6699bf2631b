"""Describes what runs left behind for a person: a table, and a sentence about it."""

from __future__ import annotations

from collections.abc import Sequence

from fanout.commands.discard import Discard
from fanout.commands.gc import Cleared
from fanout.commands.leftovers import Leftover
from fanout.text import count, escape

_COLUMNS = ("run", "what", "silent", "then", "name", "why")
_THEN = {"found": "goes", "removed": "removed", "left": "stays"}
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def table(leftovers: Sequence[Leftover]) -> list[str]:
    """Return a line for each under a line of headings; none without any."""
    if not leftovers:
        return []
    lines = [_COLUMNS, *(_line(each) for each in leftovers)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in lines
    ]


def summed_up(cleared: Cleared) -> str:
    """Return what came of a clean-up, in a sentence."""
    going = [each for each in cleared.leftovers if each.verdict.gone]
    if not cleared.leftovers:
        return "nothing is left of any run"
    if not going:
        return "nothing is to be removed"
    if cleared.mode == "list":
        return f"{count(len(going), 'thing')} would be removed: run it again with --delete"
    removed = sum(each.outcome == "removed" for each in going)
    left = len(going) - removed
    return f"{count(removed, 'thing')} removed" + (f", {left:,} could not be" if left else "")


def given_up(plan: Discard) -> list[str]:
    """Return what giving a run up removes, and what it costs, in lines."""
    lines = [f"{plan.run_id or 'a run that has sent nothing'}, in {plan.run_dir}: this will be removed"]
    goes = [each for each in plan.leftovers if each.verdict.gone]
    lines += [f"  {_what(each)} {each.name}" for each in goes]
    if plan.workspace is not None and plan.workspace.exists():
        lines.append(f"  its output as far as it was written, {plan.workspace}")
    results = f", with the results of {count(plan.durable, 'row')}" if plan.durable else ""
    kept = "place, with everything in it" if isinstance(plan.run_dir, str) else "directory"
    lines.append(f"  its {kept}{results}")
    lines += [
        f"this stays: {_what(each)} {each.name}: {each.verdict.reason}"
        for each in plan.leftovers
        if not each.verdict.gone
    ]
    if plan.accepted:
        lines.append(
            f"{count(plan.accepted, 'row')} that the endpoint has, or may have, cannot be recalled: it serves them"
        )
    lines += plan.unseen
    return [escape(line) for line in lines]


def _what(leftover: Leftover) -> str:
    if leftover.kind == "inputs":
        return count(leftover.count, "uploaded payload")
    if leftover.kind == "place":
        return f"place, {count(leftover.count, 'object')}"
    return "unfinished upload" if leftover.kind == "upload" else leftover.kind


def _line(leftover: Leftover) -> tuple[str, ...]:
    then = "stays" if not leftover.verdict.gone else _THEN[leftover.outcome]
    why = leftover.problem or leftover.verdict.reason
    cells = (leftover.run_id, _what(leftover), _span(leftover.verdict.age_s), then, leftover.name, why)
    return tuple(map(escape, cells))


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return next(
        (f"{seconds / unit_s:.0f} {name}" for unit_s, name in _UNITS if seconds >= unit_s), f"{seconds:.0f} s"
    )
