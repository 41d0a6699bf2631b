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
from fanout.errors import Exit, UsageError

if TYPE_CHECKING:
    from fanout.config.model import Config
    from fanout.report.build import Asked
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
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with 3 if it holds: 'total.p99 > 2s', 's3.fetch.p99.9 > 500ms', 'failures > 5%' (1% by "
            "default); with --compare 'total.p50 > baseline + 10%', worse.",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Compare the second of two outputs with the first, row by row where they share rows.",
        ),
    ] = False,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file with [prices].")] = None,
    flags: Sections,
) -> None:
    """Tell what came of a run, from its output alone: counts, errors, latencies, throughput, cost."""
    from fanout.analysis.fail_conditions import parse_condition
    from fanout.commands.find_run import output_of
    from fanout.config.load import load_config
    from fanout.report.build import Asked
    from fanout.text import escape

    chosen = form or _format_of(output)
    if chosen not in FORMATS:
        raise UsageError(f"--format {chosen!r}: known are {', '.join(FORMATS)}")
    if output is not None and _is_parquet(output):
        raise UsageError(f"{output} is a Parquet file, which a report must not replace: choose another name")
    if chosen == "html":
        _require_figures()
    loaded = load_config(config, environ=os.environ, flags=flags)
    asked = Asked(tuple(parse_condition(each) for each in fail_if or ()), compare)
    found = _found([output_of(each) for each in outputs], loaded, asked)
    text = _rendered(found, chosen, width=_width(output))
    if output is None:
        write_out(text)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output}: cannot be written ({error.strerror})") from error
    if fail_if and found.gates is not None and found.gates.failed:
        for each in found.gates.failed:
            sys.stderr.write(f"{escape(str(each))}\n")
        raise typer.Exit(int(Exit.ROWS_FAILED))


def _found(outputs: list[str], config: Config, asked: Asked) -> Report:
    from fanout.output.object_place import is_remote

    if any(map(is_remote, outputs)):  # all of AWS has to be loaded
        from fanout.commands.report import report_with_s3

        return report_with_s3(outputs, config, asked)
    from fanout.report.build import make_report

    return make_report(outputs, config.prices, asked)


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

        from fanout.report.json_form import as_dict

        return orjson.dumps(as_dict(found), option=orjson.OPT_INDENT_2).decode() + "\n"
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
    return None if output is None and sys.stdout.isatty() else 140


def _require_figures() -> None:
    """Refuse, before a long fold, what cannot be drawn at its end."""
    from importlib.util import find_spec

    if missing := [name for name in ("vl_convert", "jinja2") if find_spec(name) is None]:
        raise UsageError(
            f"an HTML report needs {' and '.join(missing)} for its figures and its page: pip install "
            "'sagemaker-fanout[report]' (text, json and markdown do without)"
        )
