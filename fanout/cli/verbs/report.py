"""Reports what came of a run, from its output alone: `fanout report`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.console import write_out
from fanout.cli.options import from_flags
from fanout.config.flags import REPORT, Sections
from fanout.errors import UsageError

if TYPE_CHECKING:
    from fanout.config.model import Config
    from fanout.report.document import Report

FORMATS = ("text", "json", "markdown", "html")
_SUFFIXES = {".html": "html", ".htm": "html", ".json": "json", ".md": "markdown", ".txt": "text"}


@from_flags(REPORT)
def report(
    *,
    outputs: Annotated[
        list[str],
        typer.Argument(
            metavar="OUT",
            help="Output files or datasets of fanout, here or s3://, of a run or of bench; a run directory, or `last`.",
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", help="text, json, markdown or html; default by the name of -o, else text."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; default stdout.")
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file with [prices].")] = None,
    flags: Sections,
) -> None:
    """Tell what came of a run, from its output alone: counts, errors, latencies, throughput, cost."""
    from fanout.commands.find_run import output_of
    from fanout.config.load import load_config

    chosen = form or _format_of(output)
    if chosen not in FORMATS:
        raise UsageError(f"--format {chosen!r}: known are {', '.join(FORMATS)}")
    if output is not None and _is_parquet(output):
        raise UsageError(f"{output} is a Parquet file, which a report must not replace: choose another name")
    if chosen == "html":
        _require_figures()
    loaded = load_config(config, environ=os.environ, flags=flags)
    found = _found([output_of(each) for each in outputs], loaded)
    text = _rendered(found, chosen, width=_width(output))
    if output is None:
        write_out(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror})") from error


def _found(outputs: list[str], config: Config) -> Report:
    from fanout.output.object_place import is_remote

    if any(map(is_remote, outputs)):  # all of AWS has to be loaded
        from fanout.commands.report import make_report

        return make_report(outputs, config)
    from fanout.report.document import report_of

    return report_of(outputs, config.prices)


def _format_of(output: Path | None) -> str:
    """Return the format that the name of the report's file asks for."""
    suffix = output.suffix.lower() if output is not None else ""
    if suffix and suffix not in _SUFFIXES:
        raise UsageError(
            f"{output}: no format is named {suffix}: end it in {', '.join(_SUFFIXES)}, or add --format"
        )
    return _SUFFIXES.get(suffix, "text")


def _is_parquet(path: Path) -> bool:
    """Whether results stand there, of fanout or of another program."""
    from fanout.source.detect import PARQUET

    try:
        with path.open("rb") as file:
            return file.read(len(PARQUET)) == PARQUET
    except OSError:  # it is not there, or writing will say what is wrong
        return False


def _rendered(found: Report, form: str, *, width: int | None) -> str:
    if form == "json":
        import orjson

        return orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2).decode() + "\n"
    if form == "markdown":
        from fanout.report.markdown import markdown

        return markdown(found)
    if form == "html":
        from fanout.report.html import html

        return html(found)
    import io

    from rich.console import Console

    from fanout.report.text import print_report

    buffer = io.StringIO()
    print_report(found, Console(file=buffer, width=width, no_color=True))
    return buffer.getvalue()


def _width(output: Path | None) -> int | None:
    """Return the columns to fill: the terminal's, or enough for every table in a file or pipe."""
    return None if output is None and sys.stdout.isatty() else 120


def _require_figures() -> None:
    """Refuse, before a long fold, what cannot be drawn at its end."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError(
            "an HTML report needs matplotlib for its figures: pip install 'sagemaker-fanout[report]' "
            "(text, json and markdown do without)"
        )
