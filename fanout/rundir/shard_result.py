"""Keeps the result of one shard of a run in `subtotal.json`, once all its rows have ended, and adds up several.

The run's summary is made of the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.domain.tally import Tally
from fanout.errors import JournalError
from fanout.files import read_json, write_json

VERSION = 1


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The counts of a shard, or of several together.

    Attributes:
        tally: Its rows.
        throttles: Replies that said to slow down, in the process that finished it.
        warnings: What a person was warned of.
    """

    tally: Tally
    throttles: int
    warnings: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the file, durably and at once.

        Raises:
            StorageError: The disk is full or failed.
        """
        content = {
            "version": VERSION,
            "tally": self.tally.dump(),
            "throttles": self.throttles,
            "warnings": self.warnings,
        }
        write_json(path, content)


def read_shard_result(path: Path) -> ShardResult:
    """Return what a shard came to.

    Raises:
        JournalError: The file is missing, damaged or of another version.
    """
    return read_json(path, _shard_result_of, version=VERSION, error=JournalError)


def _shard_result_of(content: dict[str, Any]) -> ShardResult:
    return ShardResult(Tally.load(content["tally"]), int(content["throttles"]), tuple(content["warnings"]))


def total(subtotals: Iterable[ShardResult]) -> ShardResult:
    """Return the sum; a warning that several gave is in it once."""
    tally, throttles, warnings = Tally(), 0, dict[str, None]()
    for each in subtotals:
        tally.merge(each.tally)
        throttles += each.throttles
        warnings |= dict.fromkeys(each.warnings)
    return ShardResult(tally, throttles, tuple(warnings))
