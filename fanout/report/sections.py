"""Orders a report into sections of sentences and tables, for every form of it; the page adds figures to them."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.report import comparison_tables as compared
from fanout.report import tables
from fanout.report.answers import answers
from fanout.report.document import Report
from fanout.report.table import Table

_WATERFALL = "The median row of each transport, then the slowest row of all. Gaps between phases are waiting in fanout."


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        name: Its place in the page (`#name`).
        lines: Sentences before its tables.
        tables: Its tables.
        more: Tables for those who want every number.
        points: A list at its end, under the first of it.
        more_title: What `more` has.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    more: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    more_title: str = "All numbers"


def sections(report: Report) -> list[Section]:
    """Return the sections that there is something for, in their order."""
    found = [
        Section("answers", "In short", tables=(_answers(report),)),
        Section("provenance", "When, where, with what", tables=_some(tables.provenance(report)),
                more=_some(tables.settings(report)), more_title="Settings in force"),
        _gates(report),
        _experiment(report),
        _compared(report),
        Section("outcomes", "What happened", tables=_some(tables.outcomes(report), tables.errors(report))),
        Section("client", "Was the client the limit?", lines=(_answer(report, "Did the client limit it?"),)),
        Section("time", "Over time", lines=() if report.withheld else tuple(tables.shifts(report)),
                more=() if report.withheld else _some(tables.by_time(report)), more_title="Step by step"),
    ]  # fmt: skip
    if not report.withheld:  # the client's own waiting would be read as the service's
        found.append(
            Section(
                "latency", "Latency", lines=(_answer(report, "Why is the p99 high?"),),
                tables=_some(tables.latencies(report), tables.tail(report)),
            )
        )  # fmt: skip
        found.append(_sizes(report))
        if report.waterfalls:
            found.append(
                Section("waterfall", "Where single rows spent their time", lines=(_WATERFALL,),
                        tables=_some(tables.single_rows(report)))
            )  # fmt: skip
        found.append(
            Section("slowest", "The slowest rows", tables=_some(tables.slowest(report)),
                    points=tables.slowest_steps(report))
        )  # fmt: skip
    found.append(
        Section(
            "cost", "Cost", tables=(tables.costs(report),),
            points=("Not in these dollars:", *tables.not_counted(report)),
        )
    )  # fmt: skip
    found.append(Section("files", "Files", tables=(tables.files(report),)))
    return [each for each in found if each.lines or each.tables or each.points]


def _answers(report: Report) -> Table:
    lines = tuple((each.question, each.answer) for each in answers(report))
    return Table("", ("", ""), lines, frozenset({0, 1}), frozenset({1}))


def _answer(report: Report, question: str) -> str:
    return next(each.answer for each in answers(report) if each.question == question)


def _gates(report: Report) -> Section:
    lines = [_answer(report, "Did my gate pass?")]
    if report.gates is not None:
        lines.append(f"Asked for by {report.gates.source}.")
    if report.earlier is None:
        lines.append(f"Against what? {_answer(report, 'Against what?')}")
    found = _some(tables.gates(report)) + compared.baseline(report)
    return Section("gates", "Gates and baseline", lines=tuple(lines), tables=found)


def _sizes(report: Report) -> Section:
    lines = () if report.experiment is not None else (_answer(report, "Which size to switch at?"),)
    return Section("sizes", "By payload size", lines=lines, tables=_some(tables.sizes(report)))


def _experiment(report: Report) -> Section:
    comparison = report.experiment.comparison if report.experiment else None
    if comparison is None:
        return Section("experiment", "")
    answer = str(comparison.crossing)
    return Section(
        "experiment",
        "Inline against S3, pair by pair",
        lines=(f"{answer[:1].upper()}{answer[1:]}.", compared.saved_text(report) or ""),
        tables=_some(compared.pairs_by_size(report), compared.pairs_by_phase(report, comparison.everything)),
        more=tuple(compared.pairs_by_phase(report, group) for group in comparison.groups),
        more_title="Every phase, size by size",
    )


def _compared(report: Report) -> Section:
    if report.earlier is None:
        return Section("compared", "")
    against = f"Then: {report.earlier.report.files[0].path}. Now: {report.files[0].path}."
    return Section(
        "compared",
        "Against the earlier run",
        lines=(against, compared.pairing_text(report)),
        tables=compared.compared_runs(report),
    )


def _some(*found: Table | None) -> tuple[Table, ...]:
    return tuple(each for each in found if each is not None)
