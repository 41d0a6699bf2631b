"""Tells which input files are new since earlier nights, and which have changed, by what those had read; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fanout.source import path_rules as rules
from fanout.source.files import InputFile

VERSION = 1


@dataclass(frozen=True, slots=True)
class Watermark:
    """What the nights that have ended had read.

    Attributes:
        files: Which version of each file, by its path.
        run: The run that ended last; empty before the first.
        output: What that one wrote.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    output: str = ""

    def fresh(self, files: Sequence[InputFile]) -> list[InputFile]:
        """Return the files of which no night has read this version, in the order given."""
        return [file for file in files if self.files.get(file.path) != version_of(file)]

    def changed(self, files: Sequence[InputFile]) -> list[str]:
        """Return the paths of those of which a night has read another version."""
        return [file.path for file in self.fresh(files) if file.path in self.files]

    def gone(self, files: Sequence[InputFile], *, paths: Sequence[str]) -> list[str]:
        """Return the paths that are read no more: what `paths` mean is `files`, and they are not among them."""
        there = {file.path for file in files}
        return [path for path in self.files if path not in there and any(_means(one, path) for one in paths)]

    def after(
        self, files: Sequence[InputFile], *, run: str, output: str, gone: Sequence[str] = ()
    ) -> Watermark:
        """Return the watermark after a night that has read `files` and found others `gone`."""
        leaving = set(gone)
        left = {path: version for path, version in self.files.items() if path not in leaving}
        return Watermark(left | {file.path: version_of(file) for file in files}, run, output)

    def dump(self) -> bytes:
        """Return it as JSON, a line a file: small changes are small in a diff."""
        content = {"version": VERSION, "run": self.run, "output": self.output, "files": self.files}
        return json.dumps(content, indent=0).encode() + b"\n"


def load(content: bytes) -> Watermark:
    """Return what `dump` wrote.

    Raises:
        ValueError: It is damaged, or of another version.
    """
    found = json.loads(content)
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ValueError(f"it is not a watermark of version {VERSION}")
    files, run, output = found.get("files"), found.get("run"), found.get("output")
    if not isinstance(files, dict) or not all(
        isinstance(each, str) for each in (run, output, *files.values())
    ):
        raise ValueError("it lacks what a watermark has")
    return Watermark(files, str(run), str(output))


def version_of(file: InputFile) -> str:
    """Return what tells this version of a file from another: size and ETag, or size and modification time."""
    return f"{file.size_bytes} {file.version}"


def _means(path: str, file: str) -> bool:
    """Whether an input path would mean a file of this name, were it there."""
    if rules.GLOB & set(path):
        pattern, name = path.split("/"), file.split("/")
        # A folder that a glob means is read as a whole.
        return any(rules.matches(name[:depth], pattern) for depth in range(1, len(name) + 1))
    return file == path or file.startswith(f"{path.rstrip('/')}/")
