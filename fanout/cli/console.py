"""What every verb says in the same way: progress, summary and errors on stderr, JSON on stdout."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from fanout.engine.snapshot import Observer
    from fanout.errors import RunError
    from fanout.rundir.summary import Summary


def speak_utf8() -> None:
    """Have no text fail for the locale: a file or a pipe gets UTF-8, a terminal escapes what it cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def log_to_stderr(*, form: str, level: str | None, verbose: bool) -> None:
    """Configure logging by the flags of a verb.

    Raises:
        UsageError: No such form or level.
    """
    from fanout.observability.logging import configure

    configure(level=level or ("info" if verbose else None), form=form)


def observer_on(console: Console | None, *, quiet: bool) -> Observer:
    """Return who shows how a run goes: nobody, the log, a line that a person watches, or lines for a file."""
    from fanout.engine.snapshot import Quiet
    from fanout.observability.logging import is_json

    if quiet or console is None:
        return Quiet()
    from fanout.cli.progress import LiveLine, LogLines, PlainLines

    if is_json():
        return LogLines()
    return LiveLine(console) if console.is_terminal else PlainLines(console)


def show(go: Callable[[Observer], Summary], *, quiet: bool, as_json: bool) -> NoReturn:
    """Let `go` run under the eyes of a person or a log, print what came of it, and leave."""
    from fanout.cli.startup import load_engine
    from fanout.observability.logging import is_json

    load_engine()
    console = None
    if not quiet:  # rich costs 40 ms
        from rich.console import Console

        console = Console(stderr=True)
    summary = go(observer_on(console, quiet=quiet))
    if is_json():
        from fanout.cli.summary_table import headline

        extra = {"exit_code": int(summary.exit)}
        logging.getLogger("fanout").info("%s: %s", summary.output, headline(summary), extra=extra)
    elif console is not None:
        from fanout.cli.summary_table import print_summary

        print_summary(summary, console)
    if as_json:
        print_json(summary.as_dict())
    raise typer.Exit(int(summary.exit))


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on one line of stdout."""
    import orjson

    sys.stdout.write(orjson.dumps(content).decode() + "\n")


def report_error(error: RunError) -> None:
    """Tell what stopped a verb, in the form that logs have."""
    from fanout.observability.logging import is_json
    from fanout.text import escape

    if is_json():
        logging.getLogger("fanout").error("%s", error, extra={"exit_code": int(error.exit)})
    else:
        sys.stderr.write(f"fanout: {escape(str(error))}\n")
