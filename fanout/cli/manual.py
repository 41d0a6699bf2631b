r"""Writes the manual page, fanout(1), from the commands themselves: `python -m fanout.cli.manual > docs/fanout.1`.

A wheel puts it where `man` looks (`share/man/man1` beside the program's own directory).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer
import typer.main

from fanout._version import __version__
from fanout.cli.app import app
from fanout.cli.exit_codes import MEANINGS
from fanout.cli.help import grouped

_INTRODUCTION = (
    "fanout reads Parquet or JSON Lines, sends each row to an asynchronous endpoint of Amazon SageMaker, inline or by "
    "way of S3, collects the results, and writes one Parquet file with one row per input row and the latency of every "
    "phase. What the endpoint accepted is never sent again, whatever is killed when: fanout resume finishes the run."
)
_ENVIRONMENT = {
    "FANOUT_SECTION_KEY": "Sets a key of the configuration: FANOUT_PACING_RATE=200 sets rate in [pacing].",
    "FANOUT_LOG_FORMAT, FANOUT_LOG_LEVEL": "The same as --log-format and --log-level.",
    "AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, ...": "As for the AWS CLI.",
}
_FILES = {
    ".fanout/RUN": "Beside the output: the run's journal, durable parts, status.json and summary.json.",
}


def manual() -> str:
    """Return the page, in the macros of man(7)."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="fanout")
    lines = [
        f'.TH FANOUT 1 "" "fanout {__version__}" "User Commands"',
        ".SH NAME",
        f"fanout \\- {_escaped(_sentence(root.help).rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B fanout",
        "\\fIVERB\\fR [\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        _escaped(_INTRODUCTION),
        ".PP",
        _escaped(
            "Flags override FANOUT_* variables, which override the TOML file (-c), which overrides defaults."
        ),
        *_verbs(root, context),
        ".SH ENVIRONMENT",
        *_listed(_ENVIRONMENT.items()),
        ".SH FILES",
        *_listed(_FILES.items()),
    ]
    return "\n".join(lines) + "\n"


def _verbs(group: Any, context: Any, words: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        called = f"{words} {name}".strip()
        inner = typer.Context(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from _verbs(command, inner, called)
            continue
        yield f'.SH "FANOUT {called.upper()}"'
        yield f".B fanout {_escaped(called)}"
        yield _escaped(" ".join(command.collect_usage_pieces(inner)))
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            yield ".PP"
            yield _escaped(" ".join(paragraph.split()))
        for title, records in grouped(command, inner).items():
            yield f'.SS "{_escaped(title)}"'
            yield from _listed(records)
        yield '.SS "Exit status"'
        yield from _listed((str(int(code)), said) for code, said in MEANINGS[called].items())


def _listed(records: Any) -> Iterator[str]:
    for name, said in records:
        yield ".TP"
        yield f".B {_escaped(name)}"
        yield _escaped(" ".join(said.split()))


def _sentence(text: str | None) -> str:
    return (text or "").split("\n\n", maxsplit=1)[0].split(";", maxsplit=1)[0]


def _escaped(text: str) -> str:
    """Return text that troff takes for nothing but text."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.stdout.write(manual())
