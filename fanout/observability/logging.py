"""Formats the program's log lines: text for a person or JSON lines for a machine, on stderr.

A line never holds control characters, so that nothing that a model, a topic or AWS wrote can forge a line or speak
to a terminal. Rows are logged at debug only; payloads, tokens and signatures never.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from fanout.domain.records import Outcome
from fanout.errors import UsageError
from fanout.text import escape, iso

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
ROW_FIELDS = ("row", "request_id")
"""Names that a call may set by `extra=`; `run` comes by itself."""

_rows = logging.getLogger("fanout.rows")
_run: ContextVar[str | None] = ContextVar("fanout_run", default=None)


def bind(run_id: str) -> None:
    """Make every line of this task, and of those that it starts, name the run."""
    _run.set(run_id)


def bind_process(run_id: str) -> None:
    """Make every other line of this process name the run, too: those of threads, and those after its tasks."""
    for handler in _handlers():
        handler.run_id = run_id


class TextFormatter(logging.Formatter):
    """`2026-11-20T09:00:00.123Z WARNING fanout.run: message [run=... row=7]`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and indented ones for a traceback."""
        fields = " ".join(f"{name}={escape(str(value))}" for name, value in _fields(record).items())
        line = f"{iso(record.created)} {record.levelname} {record.name}: {escape(record.getMessage())}"
        if fields:
            line += f" [{fields}]"
        # Indented, so that no line of an exception's text can pass for one of ours.
        return line + "".join(f"\n    {escape(part)}" for part in _traceback(self, record).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of ASCII; JSON escapes the rest."""
        content: dict[str, Any] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        for name in ("versions", "settings", "progress", "exit_code"):
            if hasattr(record, name):
                content[name] = getattr(record, name)
        traceback = _traceback(self, record)
        if traceback:
            content["traceback"] = traceback
        return json.dumps(content, default=str)


def configure(*, level: str | None = None, form: str = "text", stream: TextIO | None = None) -> None:
    """Log to stderr from now on.

    Args:
        level: One of `LEVELS`; None means warnings for a person, and progress too for a machine.
        form: One of `FORMATS`.
        stream: Instead of stderr.

    Raises:
        UsageError: There is no such level or format.
    """
    if form not in FORMATS:
        raise UsageError(f"--log-format {form}: known are {', '.join(FORMATS)}")
    level = level or ("info" if form == "json" else "warning")
    if level not in LEVELS:
        raise UsageError(f"--log-level {level}: known are {', '.join(LEVELS)}")
    # The level is the handler's: aiobotocore's loggers have levels of their own, which the root's would not cap.
    handler = _Lines(stream or sys.stderr)
    handler.setLevel(level.upper())
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(handler.name_run)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


@contextmanager
def above(write: Callable[[str], None]) -> Iterator[None]:
    """Hand every line to `write` while a live display stands on stderr, which other text would tear."""
    handlers = _handlers()
    for handler in handlers:
        handler.instead = write
    try:
        yield
    finally:
        for handler in handlers:
            handler.instead = None


class _Lines(logging.StreamHandler[TextIO]):
    """Writes whole lines to its stream, or to the live display that holds the stream meanwhile."""

    instead: Callable[[str], None] | None = None
    run_id: str | None = None

    def name_run(self, record: logging.LogRecord) -> bool:
        record.run = _run.get() or self.run_id
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if self.instead is None:
            super().emit(record)
            return
        try:
            self.instead(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers do: a line lost ends no run
            self.handleError(record)


def _handlers() -> list[_Lines]:
    return [each for each in logging.getLogger().handlers if isinstance(each, _Lines)]


def is_json() -> bool:
    """Whether stderr is a machine's."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def outcome_folds() -> tuple[Callable[[Outcome], None], ...]:
    """Return the observers of every outcome: a function that logs it at debug; none at other levels."""
    return (_log_outcome,) if _rows.isEnabledFor(logging.DEBUG) else ()


def _log_outcome(outcome: Outcome) -> None:
    _rows.debug("%s", outcome.status, extra={"row": outcome.row})


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = {name: getattr(record, name, None) for name in ("run", *ROW_FIELDS)}
    return {name: value for name, value in found.items() if value is not None}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
