"""Describes a run before anything is opened: which rows of which input, by which configuration, in which directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fanout.config.model import Config
from fanout.domain.row_ranges import Ranges, Stripe, Wanted
from fanout.errors import THEN_RESUME, UsageError
from fanout.rundir.manifest import Manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.command_line import command
from fanout.runtime.place.run_place import RunPlace
from fanout.source.units import InputPart
from fanout.text import quoted

AGAIN = "start it again"
"""The next step where nothing has begun that could be resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A run, or one shard of it, new or begun by an earlier process.

    Attributes:
        config: Its configuration, paths absolute.
        directory: Its directory; exists. Scratch, where its state is kept in S3.
        place: Where its state is kept in S3; None where that is its directory.
        rows: The rows to send; None for all of the input, or of the stripe.
        stripe: Which of several processes' shares it is, dealt out row by row; None for a run of its own.
        part: The part of a divided input that it reads as one of several shards; None for a run of its own.
        retry_of: The run whose rows these are.
        fingerprint: Fingerprint that the input must have; None for any.
        begun: An earlier process wrote the run's `run.json`.
    """

    run_id: str
    config: Config
    directory: RunDirectory
    rows: Ranges | None = None
    stripe: Stripe | None = None
    part: InputPart | None = None
    retry_of: str | None = None
    fingerprint: str | None = None
    begun: bool = False
    place: RunPlace | None = None

    @classmethod
    def resumed(
        cls,
        manifest: Manifest,
        directory: RunDirectory,
        *,
        config: Config,
        part: InputPart | None = None,
        place: RunPlace | None = None,
    ) -> RunSpec:
        """Return the run that an earlier process began; `config` may differ in what does not matter to its result."""
        return cls(
            run_id=manifest.run_id,
            config=config,
            directory=directory,
            rows=manifest.rows,
            stripe=manifest.stripe,
            part=part,
            retry_of=manifest.retry_of,
            fingerprint=manifest.fingerprint,
            begun=True,
            place=place,
        )

    @property
    def is_shard(self) -> bool:
        """Whether it is a part of another run, in whose directory it stands."""
        return self.stripe is not None or self.part is not None

    @property
    def run_path(self) -> Path:
        """The directory of the run, or of the one that it is a part of."""
        return (self.directory.whole if self.is_shard else self.directory).path

    @property
    def wanted(self) -> Wanted | None:
        """The rows to send; None for all of the input."""
        return self.rows if self.rows is not None else self.stripe

    @property
    def where(self) -> str:
        """What a person names the run by: its place in S3, or the directory of all of it."""
        if self.place is not None:
            return (self.place.whole if self.is_shard else self.place).uri
        return str(self.run_path)

    @property
    def inputs(self) -> Path:
        """Where it is kept which files the run reads: all processes of it read the same."""
        return (self.directory.whole if self.is_shard else self.directory).inputs

    @property
    def can_be_resumed(self) -> bool:
        """Whether a later process can take the run up: it finds a journal, the input, and the same AWS."""
        config = self.config
        return config.run.journal and not config.local.enabled and "-" not in config.input.paths

    @property
    def next_step(self) -> str:
        """What a person can do if the run stops early, as a sentence's end."""
        path = self.where
        if not self.config.run.journal:
            return "it kept no journal and cannot be resumed: start a new run"
        if self.config.local.enabled:
            return f"the local AWS ends with it; `fanout export {quoted(path)} -o FILE` writes what it has"
        if "-" in self.config.input.paths:
            return f"standard input cannot be read again; `fanout export {quoted(path)} -o FILE` writes what there is"
        return f"`fanout resume {quoted(path)}` goes on"

    @property
    def after_failures(self) -> str:
        """What a person can do if too many rows have failed; nothing for a shard, whose run says it."""
        if self.is_shard:
            return ""
        step = self.next_step
        if not step.startswith("`fanout resume"):
            return step
        return f"`fanout resume {quoted(self.where)} --max-failures N` goes on, {self.exported}"

    @property
    def exported(self) -> str:
        """How a person gets the rows that have ended, whatever has become of the input; nothing as above."""
        if self.is_shard or not self.config.run.journal:
            return ""
        return f"`fanout export {quoted(self.where)} -o FILE` writes the rows that have ended"

    def unsent(self, text: str) -> str:
        """Return an error's `text` as it is for a run that has sent nothing and whose directory is gone again."""
        text = text.replace(self.next_step, f"nothing was sent: {AGAIN}")
        return text.replace(THEN_RESUME, f"then {AGAIN}")

    def check_input(self, fingerprint: str) -> None:
        """Return if the input with this fingerprint is the one that the run is of.

        Raises:
            UsageError: It is not, or it cannot be read again.
        """
        if self.begun and "-" in self.config.input.paths:
            raise UsageError("standard input cannot be read again: `fanout export` writes what this run has")
        if self.fingerprint is None or self.fingerprint == fingerprint:
            return
        if self.begun:
            raise UsageError(
                "the input has changed since the run began (a file's size or time, or which files there are): "
                f"put it back, or start a new run; {self.exported}"
            )
        raise UsageError("the input has changed since the earlier run: its rows could not be told apart")

    def manifest(self, *, fingerprint: str, endpoint: str) -> Manifest:
        """Return what a later process must find unchanged: the input by its fingerprint, the endpoint by its name."""
        return Manifest(
            self.run_id,
            self.config,
            fingerprint,
            endpoint,
            rows=self.rows,
            retry_of=self.retry_of,
            stripe=self.stripe,
            shard=None if self.part is None else (self.part.index, self.part.of),
            command=command(),
        )
