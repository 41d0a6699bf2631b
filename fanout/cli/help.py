"""Makes the help of a verb: options in groups, with their defaults, and what its exit codes mean.

Without rich, which would cost 100 ms of every `--help`.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from fanout.cli.exit_codes import MEANINGS
from fanout.cli.options import GROUPS

OTHERS = "Options"
"""The group of options that are of no section of the configuration; the last one."""
HELP_FLAGS = {"help_option_names": ["-h", "--help"]}

Records = list[tuple[str, str]]
"""An option as it is typed, and its help."""


class Verb(TyperCommand):
    """A verb of the command line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write its options, group by group."""
        for title, records in grouped(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what its exit codes mean."""
        meanings = MEANINGS.get(called_as(ctx), {})
        if meanings:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(int(code)), said) for code, said in meanings.items()])


class Verbs(TyperGroup):
    """The program, or a verb that has verbs of its own."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where to read on."""
        root = ctx.find_root().info_name
        formatter.write_paragraph()
        formatter.write_text(f"`{root} VERB --help` has the options and the exit codes of a verb.")


def grouped(command: TyperCommand, ctx: Any) -> dict[str, Records]:
    """Return a verb's arguments and options by their groups, in the order of `GROUPS`; others stand last."""
    groups: dict[str, Records] = {title: [] for title in ("Arguments", *GROUPS.values(), OTHERS)}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            title = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or OTHERS
            groups[title].append(record)
    return {title: records for title, records in groups.items() if records}


def called_as(ctx: Any) -> str:
    """Return the words by which a verb is called, without the program's name: `infra iam`."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join(words)
