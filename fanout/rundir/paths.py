"""Names the files of a run's own directory, creates it, and removes one in which nothing was sent.

Directories are 0700 and files 0600: results may be confidential.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import UsageError
from fanout.files import make_directory, storage, usable
from fanout.rundir import journal
from fanout.text import quoted

VERSION = 1
RUNS = ".fanout"  # beside the output: RUNS/<run>/


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths of one run."""

    path: Path

    @property
    def parts(self) -> Path:
        """Directory of the part files."""
        return self.path / "parts"

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.path / journal.NAME

    @property
    def identity(self) -> Path:
        """What names its files: a copy has others. Written when a process opens the journal, if it has changed."""
        return self.path / "identity.json"

    @property
    def manifest(self) -> Path:
        """What the run is: written once, before anything is sent."""
        return self.path / "run.json"

    @property
    def inputs(self) -> Path:
        """Which files it reads, where that is not all that its paths mean: written before the manifest."""
        return self.path / "inputs.json"

    @property
    def status(self) -> Path:
        """Where it stands: replaced while a process is at it."""
        return self.path / "status.json"

    @property
    def summary(self) -> Path:
        """What it came to; there once the run has finished."""
        return self.path / "summary.json"

    @property
    def subtotal(self) -> Path:
        """What a shard came to; there once all its rows have ended."""
        return self.path / "subtotal.json"

    @property
    def uploads(self) -> Path:
        """Which uploads it has begun to its output's place in S3; there once it has begun one."""
        return self.path / "uploads.jsonl"

    def built(self, *, dataset: bool) -> str:
        """Return where an output for S3 is built: a file, or a directory with a slash at its end."""
        return f"{self.path / 'output'}{'/' if dataset else '.parquet'}"

    @property
    def plan(self) -> Path:
        """Which units of the input each shard reads; there for a run whose input is divided."""
        return self.path / "plan.json"

    @property
    def footers(self) -> Path:
        """Footers of the input that the plan's shards need not read again; there where that saves bytes."""
        return self.path / "footers.zst"

    @property
    def cancel(self) -> Path:
        """Stops every shard as long as it is there."""
        return self.path / "cancel"

    @property
    def slots(self) -> Path:
        """Directory of what bounds the shards that are at work at once."""
        return self.path / "slots"

    @property
    def shards(self) -> Path:
        """Directory of the shards of a run on several processes."""
        return self.path / "shards"

    @property
    def has_shards(self) -> bool:
        """Whether processes of the run have begun."""
        return self.shards.is_dir() and any(self.shards.iterdir())

    def shard(self, index: int) -> RunDirectory:
        """Return the directory of one shard, a run directory of its own."""
        return RunDirectory(self.shards / f"{index:03d}")

    @property
    def whole(self) -> RunDirectory:
        """The directory of the run that the shard in this one belongs to."""
        return RunDirectory(self.path.parent.parent)

    def create(self) -> tuple[Path, ...]:
        """Make the directory and its `parts`, and the directories above; return those above that it made, lowest first.

        Raises:
            UsageError: It holds a run already, or cannot have this name.
            StorageError: It cannot be made.
        """
        with usable(self.path):
            missing = [each for each in (self.parts, *self.parts.parents) if not each.is_dir()]
            for directory in reversed(missing):
                make_directory(directory)
        # A journal alone is what a process leaves that was killed before run.json: nothing was sent.
        if self.manifest.exists():
            raise UsageError(
                f"{self.path} holds a run already: `fanout resume {quoted(self.path)}`, or name another directory"
            )
        # Of a process that was killed before it wrote run.json, or after it had removed that of a finished run.
        for file in (self.inputs, self.summary):
            with storage(file, "remove"):
                file.unlink(missing_ok=True)
        return tuple(each for each in missing if each in self.path.parents)

    def remove_finished(self) -> None:
        """Remove what a finished run keeps here, and leave the directory to another run.

        What tells that it has finished goes last: killed half-way, this can be done again.

        Raises:
            StorageError: The file system refused.
        """
        self._remove(last=(self.manifest, self.summary))

    def remove(self) -> list[Path]:
        """Remove the run's own files, its `run.json` last, and return what else stands in its directory, which stays.

        Killed half-way, it can be done again.

        Raises:
            StorageError: The file system refused.
        """
        self._remove(last=(self.summary, self.manifest))
        with storage(self.path, "remove"):
            left = sorted(self.path.iterdir())
            if not left:
                self.path.rmdir()
                if self.path.parent.name == RUNS and not any(self.path.parent.iterdir()):
                    self.path.parent.rmdir()
        return left

    def _remove(self, *, last: Sequence[Path]) -> None:
        """Remove the run's own files, `last` after all others and in this order."""
        built = (Path(self.built(dataset=True)), Path(self.built(dataset=False)))
        files = (
            *(self.status, self.subtotal, self.identity, self.uploads, self.inputs),
            *(self.plan, self.footers, self.cancel, built[1]),
        )
        with storage(self.path, "remove"):
            for directory in (self.shards, self.slots, self.parts, built[0]):
                if directory.is_dir():
                    shutil.rmtree(directory)
            for file in (*files, *self.path.glob(f"{journal.NAME}*"), *last):
                file.unlink(missing_ok=True)
                file.with_suffix(".tmp").unlink(missing_ok=True)  # `files.write_json`

    def remove_if_unused(self) -> None:
        """Remove a directory in which nothing was sent; silently, as it is only tidying up."""
        if self.has_shards:
            return
        own = (self.manifest, self.inputs, self.status, self.identity, self.uploads, self.plan, self.footers)
        drafts = (file.with_suffix(".tmp") for file in own)  # of a process that was killed as it wrote one
        for file in (*own, *drafts, *self.path.glob(f"{journal.NAME}*")):
            with suppress(OSError):
                file.unlink()
        for directory in (self.parts, self.shards, self.path, self.path.parent):
            if directory == self.path.parent and directory.name != RUNS:
                return
            try:
                directory.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return
