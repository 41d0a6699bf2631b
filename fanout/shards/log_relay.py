"""Passes on what child processes log, JSON lines on their stderr, through this process's loggers.

A warning that several of them give is logged once. What is not a log line, such as a bug's traceback, goes to stderr as
it is.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from anyio.abc import ByteReceiveStream

from fanout.observability.logging import LEVELS, ROW_FIELDS
from fanout.observability.warnings import WarningLog
from fanout.text import escape


class LogRelay:
    """Passes on the log of one child.

    Args:
        warning_log: The warnings that a person has read; one for all children of a run.
        asked: Called when the child asks for its share of the rate: with the grant that it holds, and when it asked.

    Attributes:
        last_word: Why the child could not finish, in its own words; None if it has not said.
    """

    def __init__(self, warning_log: WarningLog, *, asked: Callable[[int, float], None] | None = None) -> None:
        self._asked = asked
        self.last_word: str | None = None
        self._warning_log = warning_log
        self._rest = b""

    async def lines(self, stream: ByteReceiveStream) -> None:
        """Pass on every line until the stream ends; may be cancelled and called again."""
        async for data in stream:
            self.take(data)
        if self._rest:
            self._pass(self._rest)
            self._rest = b""

    def take(self, data: bytes) -> None:
        """Pass on the lines that end in `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._pass(line)

    def _pass(self, line: bytes) -> None:
        """Log a line; one that carries an exit code is kept instead, for the error that ends the run."""
        try:
            content = json.loads(line)
            if "lease" in content:
                held, at = content["lease"]
                if self._asked is not None:
                    self._asked(int(held), float(at))
                return
            name, level, message = content["logger"], content["level"], str(content["message"])
        except (ValueError, KeyError, TypeError):
            sys.stderr.write(f"{escape(line.decode(errors='replace'))}\n")
            return
        if "exit_code" in content:
            self.last_word = message
            return
        self._log(logging.getLogger(name), level, message, content)

    def _log(self, logger: logging.Logger, level: str, message: str, content: Mapping[str, Any]) -> None:
        number = getattr(logging, level.upper()) if level in LEVELS else logging.WARNING
        if number >= logging.WARNING:
            if (logger.name, message) in self._warning_log.warnings:
                return
            self._warning_log.warnings.add((logger.name, message))
        if not logger.isEnabledFor(number):
            return
        if "traceback" in content:
            message += "\n" + content["traceback"]
        extra = {field: content[field] for field in ROW_FIELDS if field in content}
        logger.log(number, "%s", message, extra=extra)
