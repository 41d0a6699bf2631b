"""What one shard of a run came to: `subtotal.json` of its directory, there once all its rows have ended, durably.

Counts enter, a small file leaves, and sums of such files: what the run's summary is made of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from fanout.domain.tally import EXAMPLES_MAX, Tally
from fanout.errors import JournalError
from fanout.files import durable_file, replace

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
            "tally": {field.name: getattr(self.tally, field.name) for field in fields(Tally)},
            "throttles": self.throttles,
            "warnings": self.warnings,
        }
        draft = path.with_suffix(".tmp")
        with durable_file(draft) as file:
            file.write(json.dumps(content, indent=2).encode() + b"\n")
        replace(draft, path)


def read_shard_result(path: Path) -> ShardResult:
    """Return what a shard came to.

    Raises:
        JournalError: The file is missing, damaged or of another version.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != VERSION:
            raise JournalError(f"{path} was written by another version of fanout")
        tally = Tally(**content["tally"])
        for name in _COUNTERS:
            setattr(tally, name, Counter(getattr(tally, name)))
        return ShardResult(tally, int(content["throttles"]), tuple(content["warnings"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error


def total(subtotals: Iterable[ShardResult]) -> ShardResult:
    """Return the sum; a warning that several gave is told once."""
    tally, throttles, warnings = Tally(), 0, dict[str, None]()
    for each in subtotals:
        for field in fields(Tally):
            if field.name != "examples":
                setattr(tally, field.name, getattr(tally, field.name) + getattr(each.tally, field.name))
        for code, example in each.tally.examples.items():
            if len(tally.examples) < EXAMPLES_MAX:
                tally.examples.setdefault(code, example)
        throttles += each.throttles
        warnings |= dict.fromkeys(each.warnings)
    return ShardResult(tally, throttles, tuple(warnings))


_COUNTERS = ("by_status", "by_transport", "errors")
