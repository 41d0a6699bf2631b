"""Prints what every verb prints in the same way: progress, summary and errors on stderr, JSON on stdout."""

from __future__ import annotations

import io
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from fanout.errors import Exit, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from typing_extensions import Buffer

    from fanout.engine.snapshot import Observer
    from fanout.errors import RunError
    from fanout.rundir.summary import Summary


def speak_utf8() -> None:
    """Have no text fail for the locale: a file or a pipe gets UTF-8, a terminal escapes what it cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


class _Lasting(io.FileIO):
    """A descriptor whose reader may go: what it no longer takes is dropped."""

    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def outlive_stderr() -> None:
    """Have no run end because nothing reads what it says: the terminal was closed, a pipe's reader is gone."""
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Lasting(sys.stderr.fileno(), "w", closefd=False)),
            encoding=sys.stderr.encoding,
            errors=sys.stderr.errors,
            line_buffering=True,
        )


def log_to_stderr(*, form: str, level: str | None, verbose: bool) -> None:
    """Configure logging by the flags of a verb.

    Raises:
        UsageError: No such form or level.
    """
    from fanout.observability.logging import configure

    configure(level=level or ("info" if verbose else None), form=form)


def observer_on(console: Console | None, *, quiet: bool) -> Observer:
    """Return what shows how a run goes: nothing, the log, a line that a person watches, or lines for a file."""
    from fanout.engine.snapshot import Quiet
    from fanout.observability.logging import is_json

    if quiet or console is None:
        return Quiet()
    from fanout.cli.progress import LiveLine, LogLines, PlainLines

    if is_json():
        return LogLines()
    return LiveLine(console) if console.is_terminal else PlainLines(console)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How a verb that runs something reports; each field is an option of it (`options.from_flags`)."""

    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table on stderr.")] = False
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more of what happens, on stderr.")] = (
        False
    )
    log_format: Annotated[
        str,
        typer.Option(
            "--log-format", envvar="FANOUT_LOG_FORMAT", help="text, or json: one object a line on stderr."
        ),
    ] = "text"
    log_level: Annotated[
        str | None,
        typer.Option(
            "--log-level", envvar="FANOUT_LOG_LEVEL", help="debug (a line a row), info, warning or error."
        ),
    ] = None

    def configure_logging(self) -> None:
        """Send the log to stderr.

        Raises:
            UsageError: No such form or level.
        """
        log_to_stderr(form=self.log_format, level=self.log_level, verbose=self.verbose)

    def show(
        self, go: Callable[[Observer], Summary], *, rows_failed_exit: int = Exit.ROWS_FAILED
    ) -> NoReturn:
        """Call `go` with an observer for a person or a log, print the summary, and exit.

        Args:
            go: Runs something.
            rows_failed_exit: What to exit with where some rows failed.
        """
        from fanout.cli.startup import load_engine
        from fanout.observability.logging import is_json

        load_engine()
        console = None
        if not self.quiet:  # rich costs 40 ms
            from rich.console import Console

            console = Console(stderr=True)
        summary = go(observer_on(console, quiet=self.quiet))
        if is_json():
            from fanout.cli.summary_table import headline

            extra = {"exit_code": int(summary.exit)}
            logging.getLogger("fanout").info("%s: %s", summary.output, headline(summary), extra=extra)
        elif console is not None:
            from fanout.cli.summary_table import print_summary

            print_summary(summary, console)
        if self.as_json:
            print_json(summary.as_dict())
        code = summary.exit
        raise typer.Exit(rows_failed_exit if code == Exit.ROWS_FAILED else int(code))


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on one line of stdout; raises as `write_out` does."""
    import orjson

    write_out(orjson.dumps(content).decode() + "\n")


def write_out(text: str) -> None:
    """Write to stdout. A reader that has gone changes nothing: what was asked for is done.

    Raises:
        StorageError: Standard output is a file on a disk that is full or failed.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise StorageError(f"cannot write to standard output: {error.strerror or error}") from error


def discard_stdout() -> None:
    """Let go of a stdout that takes nothing: what is buffered would be written to it once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_descriptors() -> None:
    """Open those of the descriptors 0 to 2 that are closed: else a socket takes their place, and is closed as one."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free. An input that was closed stays one that cannot be read: an end would be no rows.
            os.open(os.devnull, os.O_RDWR if descriptor else os.O_WRONLY)
            if descriptor and (sys.stdout, sys.stderr)[descriptor - 1] is None:
                setattr(sys, ("stdout", "stderr")[descriptor - 1], os.fdopen(descriptor, "w"))


def report_error(error: RunError) -> None:
    """Report what stopped a verb, in the form that logs have."""
    from fanout.observability.logging import is_json
    from fanout.text import escape

    if is_json():
        logging.getLogger("fanout").error("%s", error, extra={"exit_code": int(error.exit)})
    else:
        sys.stderr.writelines(f"fanout: {escape(line)}\n" for line in error.lines)
