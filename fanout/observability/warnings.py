"""Collects the warnings that were shown, so that the summary can repeat them."""

from __future__ import annotations

import logging
from typing import Self

_log = logging.getLogger(__name__)


class WarningLog(logging.Handler):
    """Warnings that were logged inside the block, by logger and text; those of this process, too."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: set[tuple[str, str]] = set()
        self._of_run: dict[str, None] = {}

    @property
    def of_run(self) -> tuple[str, ...]:
        """What `warn` was given, in order: what the summary repeats."""
        return tuple(self._of_run)

    def warn(self, text: str) -> None:
        """Warn a person of what bears on the result of the run; the same text once."""
        if text not in self._of_run:
            self._of_run[text] = None
            _log.warning("%s", text)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a warning."""
        self.warnings.add((record.name, record.getMessage()))

    def __enter__(self) -> Self:
        """Begin to collect."""
        logging.getLogger("fanout").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop collecting."""
        logging.getLogger("fanout").removeHandler(self)
