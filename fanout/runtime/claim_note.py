"""Decides what a start does with the claim that stands at its output in S3, by what it says and what is seen here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from fanout.errors import JournalError
from fanout.rundir.claim import VERSION, Owner, parse_owner
from fanout.rundir.journal import count_states
from fanout.rundir.manifest import is_owed, read_manifest
from fanout.rundir.paths import RunDirectory
from fanout.runtime.place.run_place import is_place

SILENT_S = 45.0
"""How long a claim that is not renewed counts: three renewals, with what a slow call may take."""
RELEASED_S = 10.0
"""How long a released claim is left to its owner, who deletes it at once: a delete names no version."""
State = Literal["held", "stopped", "released"]


@dataclass(frozen=True, slots=True)
class Note:
    """What a claim in S3 says.

    Attributes:
        owner: Whose it is.
        token: Of the process that wrote it: by it a process knows its own, also when a reply was lost.
        state: `held` while its owner lives or was killed; `stopped`: the owner has ended, and its run is not finished;
            `released`: the owner has ended, and nothing is left to do.
        renewals: How often it was renewed, so that each has another ETag.
    """

    owner: Owner
    token: str
    state: State = "held"
    renewals: int = 0

    def encode(self) -> bytes:
        """Return it as the object's content."""
        own = {"token": self.token, "state": self.state, "renewals": self.renewals}
        return json.dumps({"version": VERSION, **asdict(self.owner), **own}).encode() + b"\n"


def parse_note(content: bytes, place: str) -> Note:
    """Return what a claim in S3 says.

    Raises:
        JournalError: It is damaged, or of a later version.
    """
    owner = parse_owner(content, place)
    found: dict[str, Any] = {} if owner is None else json.loads(content)
    if owner is None or found.get("state") not in {"held", "stopped", "released"}:
        raise JournalError(f"{place} is damaged: see which run has this output, then remove the object")
    return Note(owner, str(found.get("token")), found["state"], int(found.get("renewals", 0)))


class Sight(Enum):
    """What is seen here of the directory of a claim's run."""

    HIDDEN = "not here, or nothing locks it"
    LIVE = "a process has its journal open"
    NEVER_BEGUN = "no process has it, and it has no run.json"
    UNFINISHED = "no process has it, and it is not finished"
    FINISHED = "it is finished, or cannot be gone on with"


def look(owner: Owner) -> Sight:
    """Return what is seen here of the owner's run directory.

    Raises:
        JournalError: Its files are damaged.
    """
    directory = RunDirectory(Path(owner.run_dir or ""))
    if owner.run_dir is None or not directory.path.is_dir():
        return Sight.HIDDEN
    if directory.manifest.exists():
        manifest = read_manifest(directory)
        if manifest.run_id != owner.run_id:
            return Sight.HIDDEN
        if not manifest.config.run.journal and not directory.summary.exists():
            return Sight.HIDDEN
        if not is_owed(directory, manifest.config):
            return Sight.FINISHED
    elif directory.path.name != owner.run_id and not directory.journal.exists():
        return Sight.HIDDEN  # a directory of that name, on another host
    if directory.journal.exists() and count_states(directory.journal) is None:
        return Sight.LIVE
    return Sight.UNFINISHED if directory.manifest.exists() else Sight.NEVER_BEGUN


class Verdict(Enum):
    """What a start does with the claim that it finds."""

    TAKE = "take it over"
    WATCH = "look again: whether its owner lives is not known yet"
    IN_USE = "a live run has the output"
    UNFINISHED = "the output has an unfinished run that is here"
    ELSEWHERE = "the output has an unfinished run that is not here"


def judge(note: Note, mine: Owner, *, sight: Sight, age_s: float, renewed: bool) -> Verdict:
    """Return what to do with a claim.

    Args:
        note: What it says.
        mine: Who would have it; with the claim's run id to go on with its run, whose journal it has open.
        sight: What is seen here of the claim's run.
        age_s: How long it has not been renewed, in seconds by S3's clock.
        renewed: Whether it was renewed while we watched.
    """
    owner = note.owner
    if note.state == "released":
        return Verdict.TAKE if age_s >= RELEASED_S else Verdict.WATCH
    unlocked = owner.run_id != mine.run_id and is_place(owner.run_dir or "")
    if unlocked and note.state == "held" and (renewed or age_s < SILENT_S):
        # Nothing locks a place, so that the claim alone tells whether its owner lives.
        return Verdict.IN_USE if renewed else Verdict.WATCH
    if owner.run_id == mine.run_id:
        # We own its journal, so that no other process of this machine, or none at all if it is in S3, goes on with it.
        here = owner.host == mine.host or is_place(mine.run_dir or "")
        if (here and owner.run_dir == mine.run_dir) or note.state == "stopped":
            return Verdict.TAKE
    elif sight is Sight.LIVE:
        return Verdict.IN_USE
    elif sight in {Sight.FINISHED, Sight.NEVER_BEGUN}:
        return Verdict.TAKE
    elif sight is Sight.UNFINISHED:
        return Verdict.UNFINISHED
    elif note.state == "stopped":
        return Verdict.ELSEWHERE
    if renewed:
        return Verdict.IN_USE
    if age_s < SILENT_S:
        return Verdict.WATCH
    if owner.run_id == mine.run_id or not owner.begun:
        return Verdict.TAKE
    return Verdict.ELSEWHERE
