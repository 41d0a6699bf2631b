"""Reads and writes `run.json`: what a run was started with, and which later changes matter to its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout._version import __version__
from fanout.config.model import Config
from fanout.domain.ids import is_run
from fanout.domain.row_ranges import Ranges, Stripe, Wanted
from fanout.errors import JournalError, UsageError
from fanout.files import read_json, write_json
from fanout.rundir.paths import RUNS, VERSION, RunDirectory


@dataclass(frozen=True, slots=True)
class Manifest:
    """`run.json`: what a resume must find unchanged.

    Attributes:
        config: The resolved configuration, paths absolute.
        fingerprint: Of the input files.
        endpoint: The endpoint's name.
        rows: The rows that are sent, as half-open ranges; None for all of the input.
        retry_of: The run whose rows these are.
        stripe: Which of several processes' shares this is; None for a run of its own.
    """

    run_id: str
    config: Config
    fingerprint: str
    endpoint: str
    rows: Ranges | None = None
    retry_of: str | None = None
    stripe: Stripe | None = None

    @property
    def wanted(self) -> Wanted | None:
        """The rows that are sent; None for all of the input."""
        return self.rows if self.rows is not None else self.stripe

    def write(self, path: Path) -> None:
        """Make it durable at `path`."""
        content = {
            "version": VERSION,
            "fanout": __version__,
            "run": self.run_id,
            "endpoint": self.endpoint,
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "retry_of": self.retry_of,
            "stripe": None if self.stripe is None else [self.stripe.index, self.stripe.of],
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
        }
        write_json(path, content)


def read_manifest(directory: RunDirectory) -> Manifest:
    """Return what `run.json` says.

    Raises:
        UsageError: There is no run here.
        JournalError: The file is damaged or of another version.
    """
    path = directory.manifest
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise UsageError(f"{directory.path} holds no run: there is no {path.name}") from None
    except NotADirectoryError:
        raise UsageError(
            f"{directory.path} is a file: name the run's directory, {RUNS}/RUN beside its output (`fanout runs`)"
        ) from None
    except PermissionError:
        raise UsageError(f"{path}: permission denied: make it readable for this user") from None
    except OSError:
        pass  # reading it says what is wrong
    return read_json(path, _manifest_of, version=VERSION, error=JournalError)


def _manifest_of(content: dict[str, Any]) -> Manifest:
    if not is_run(content["run"]):
        raise ValueError(f"{content['run']!r} is not the id of a run")
    rows, stripe = content["rows"], content.get("stripe")
    return Manifest(
        run_id=content["run"],
        config=Config.model_validate(content["config"]),
        fingerprint=content["fingerprint"],
        endpoint=content["endpoint"],
        rows=None if rows is None else tuple((int(start), int(end)) for start, end in rows),
        retry_of=content["retry_of"],
        stripe=None if stripe is None else Stripe(int(stripe[0]), int(stripe[1])),
    )


def is_owed(directory: RunDirectory, config: Config) -> bool:
    """Whether a later start has to find the run in `directory`: it began, has not finished, and keeps a journal.

    The local AWS ends with its run, and a run without a journal is one that the person gave up in advance: a new start
    may follow.
    """
    if config.local.enabled or not config.run.journal:
        return False
    return directory.manifest.exists() and not directory.summary.exists()


MATTERS = {
    "input": ("paths", "since", "watermark", "format", "compression", "limit", "any_json", "line_max_bytes"),
    "endpoint": ("name", "region"),
    "payload": None,
    "columns": None,
    "transport": ("mode", "input_prefix", "inline_max_bytes"),
    "output": ("path",),
    "run": ("journal", "processes"),
}
"""Sections and keys whose change would make one output out of two different runs; None means all keys."""


def changes(before: Config, now: Config) -> list[str]:
    """Return the keys that matter to a resume and differ, as `section.key`."""
    found: list[str] = []
    for section, keys in MATTERS.items():
        old, new = getattr(before, section), getattr(now, section)
        names = keys or type(old).model_fields
        found += [f"{section}.{key}" for key in names if getattr(old, key) != getattr(new, key)]
    return found
