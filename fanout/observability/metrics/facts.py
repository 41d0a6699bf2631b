"""Holds what metrics say of a run as a whole: its versions, when it began, how it and the one before it ended."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from fanout._version import __version__
from fanout.errors import Exit, RunError

LIBRARIES = ("botocore", "aiobotocore", "pyarrow")


def build() -> dict[str, str]:
    """Return the versions of this program, of Python and of the libraries that decide what is sent to AWS."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        **{name: _installed(name) for name in LIBRARIES},
    }


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


@dataclass(slots=True, kw_only=True)
class Facts:
    """Facts of one run; instants in seconds since the epoch.

    Attributes:
        window_rows: Rows that may be open at once.
        held_bytes: Payload bytes that may be in memory.
        completed_at: When a run last wrote its output, this one or one before it; None if none is known.
        succeeded_at: Likewise, with every row succeeded.
        exit_code: How this run ended; None while it goes on.
    """

    window_rows: int
    held_bytes: int
    started_at: float
    completed_at: float | None = None
    succeeded_at: float | None = None
    exit_code: int | None = None
    build: Mapping[str, str] = field(default_factory=build)

    def completed(self, code: Exit, *, now: float) -> None:
        """Note that the output is written."""
        self.exit_code = int(code)
        self.completed_at = now
        if code is Exit.OK:
            self.succeeded_at = now

    def failed(self, error: BaseException) -> None:
        """Note that the run ended without an output."""
        self.exit_code = int(error.exit if isinstance(error, RunError) else Exit.BUG)
