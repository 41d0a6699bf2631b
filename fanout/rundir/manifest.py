"""Reads and writes `run.json`: what a run was started with, and which later changes matter to its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout._version import __version__
from fanout.config.model import Config
from fanout.domain.ids import is_run
from fanout.domain.row_ranges import Ranges, Stripe, Wanted
from fanout.errors import JournalError, UsageError
from fanout.files import parse_json, read_json, write_json
from fanout.rundir.paths import RUNS, VERSION, RunDirectory
from fanout.text import quoted


@dataclass(frozen=True, slots=True)
class Manifest:
    """`run.json`: what a resume must find unchanged.

    Attributes:
        config: The resolved configuration, paths absolute.
        fingerprint: Of the input files.
        endpoint: The endpoint's name.
        rows: The rows that are sent, as half-open ranges; None for all of the input.
        retry_of: The run whose rows these are.
        stripe: Which of several processes' shares this is, dealt out row by row; None for a run of its own.
        shard: Which of several shards this is, and how many there are, of a run whose input is divided (`shard_plan`);
            None for a run of its own.
        command: That began it, without secrets; None of a program, and where an earlier version did not write it.
    """

    run_id: str
    config: Config
    fingerprint: str
    endpoint: str
    rows: Ranges | None = None
    retry_of: str | None = None
    stripe: Stripe | None = None
    shard: tuple[int, int] | None = None
    command: tuple[str, ...] | None = None

    @property
    def is_shard(self) -> bool:
        """Whether it is a part of another run."""
        return self.stripe is not None or self.shard is not None

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
            "command": self.command,
            "stripe": None if self.stripe is None else [self.stripe.index, self.stripe.of],
            "shard": self.shard,
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
        }
        write_json(path, content)


def no_run(path: Path, what: str) -> UsageError:
    """Return the error of a path that is named as a run's: there is nothing there, or `what` says what is not."""
    said = what if path.exists() else "no such file or directory"
    return UsageError(
        f"{path}: {said}. Name a run by its directory or by its output: `fanout runs` lists those that are here"
    )


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
        raise no_run(directory.path, f"holds no run: there is no {path.name}") from None
    except NotADirectoryError:
        raise UsageError(
            f"{directory.path} is a file: name the run's directory, {RUNS}/RUN beside its output (`fanout runs`)"
        ) from None
    except PermissionError:
        raise UsageError(f"{path}: permission denied: make it readable for this user") from None
    except OSError:
        pass  # reading it says what is wrong
    return read_json(path, _manifest_of, version=VERSION, error=JournalError)


def parse_manifest(body: bytes, name: str) -> Manifest:
    """Return what the content of a `run.json` says, which stands at `name`.

    Raises:
        JournalError: It is damaged or of another version.
    """
    return parse_json(body, name, _manifest_of, version=VERSION, error=JournalError)


def _manifest_of(content: dict[str, Any]) -> Manifest:
    if not is_run(content["run"]):
        raise ValueError(f"{content['run']!r} is not the id of a run")
    rows, stripe, shard = content["rows"], content.get("stripe"), content.get("shard")
    command = content.get("command")
    return Manifest(
        run_id=content["run"],
        config=Config.model_validate(content["config"]),
        fingerprint=content["fingerprint"],
        endpoint=content["endpoint"],
        rows=None if rows is None else tuple((int(start), int(end)) for start, end in rows),
        retry_of=content["retry_of"],
        stripe=None if stripe is None else Stripe(int(stripe[0]), int(stripe[1])),
        shard=None if shard is None else (int(shard[0]), int(shard[1])),
        command=None if command is None else tuple(map(str, command)),
    )


def holds_run(where: str, *, output: str, finished: bool) -> UsageError:
    """Return the error of a start whose run is to be kept where another one is.

    Args:
        where: The run's directory, or its place in S3.
        output: Of the run that is there.
        finished: Whether that has finished.
    """
    other = "directory" if "://" not in where else "place"
    if finished:
        return UsageError(
            f"{where} holds a run already, which has finished: name another {other}; --overwrite replaces it for a run "
            f"of the same output, {output}"
        )
    return UsageError(
        f"{where} holds a run already: `fanout resume {quoted(where)}`, or name another {other}"
    )


def is_owed(directory: RunDirectory, config: Config) -> bool:
    """Whether a later start has to find the run in `directory`: it began, has not finished, and keeps a journal.

    The local AWS ends with its run, and a run without a journal is one that the person gave up in advance: a new start
    may follow.
    """
    if config.local.enabled or not config.run.journal:
        return False
    return directory.manifest.exists() and not directory.summary.exists()


MATTERS: Mapping[str, tuple[str, ...] | None] = {
    "input": ("paths", "since", "watermark", "format", "compression", "limit", "any_json", "line_max_bytes"),
    "endpoint": ("name", "region"),
    "payload": None,
    "columns": None,
    "transport": ("mode", "input_prefix", "inline_max_bytes"),
    "output": ("path", "response", "fields"),
    "run": ("journal", "processes", "shards"),
}
"""Sections and keys whose change would make one output out of two different runs; None means all keys."""


def changes(
    before: Config, now: Config, *, matters: Mapping[str, tuple[str, ...] | None] = MATTERS
) -> list[str]:
    """Return the keys that differ among those that matter, to a resume unless it is said, as `section.key`."""
    found: list[str] = []
    for section, keys in matters.items():
        old, new = getattr(before, section), getattr(now, section)
        names = keys or type(old).model_fields
        found += [f"{section}.{key}" for key in names if getattr(old, key) != getattr(new, key)]
    return found
