"""Tells whether a process is at a run place: by what it last wrote there, by S3's clock, and who it said it was.

Nothing locks a place. An owner writes to it every 15 s at least, whatever else it is at. So a process that writes while
another watches is alive, and one that has been silent for 45 s is taken for gone: the fence keeps it from doing harm if
it is not. One that has closed the place, or has ended on this very machine, is gone at once.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from fanout.concurrency.process_name import has_ended, this_process
from fanout.errors import JournalError
from fanout.ports import Clock, ObjectInfo, ObjectStore
from fanout.runtime.place.replay import list_journal, read_object, reading
from fanout.runtime.place.run_place import RunPlace
from fanout.runtime.place.segment import Purpose, Segment, decode
from fanout.text import iso

BEAT_S = 15.0
"""Between two writes of an owner that has nothing else to say."""
SILENT_S = 3 * BEAT_S
"""Three of them, with what a slow call may take."""
WATCH_S = 3.0
"""Between two looks at a place whose owner may live."""
_KEY = "owner"
_log = logging.getLogger(__name__)


class PlaceInUse(JournalError):  # noqa: N818 - reads as what is the case
    """A process is at the run."""


@dataclass(frozen=True, slots=True)
class PlaceOwner:
    """The process that owns a run, as `status.json` at its place names it.

    Attributes:
        token: The random name by which its segments know it.
        host: Its machine.
        pid: Its number there.
        process: Its name there (`concurrency.process_name`); None where that system knows none.
        since: When it claimed the run, as an ISO 8601 text in UTC, by its own clock: for people only.
    """

    token: str
    host: str
    pid: int
    process: str | None
    since: str

    @classmethod
    def here(cls, *, now: float) -> PlaceOwner:
        """Return this process as an owner, by a new name."""
        return cls(secrets.token_hex(8), socket.gethostname(), os.getpid(), this_process(), iso(now))

    def __str__(self) -> str:
        """Say who it is."""
        return f"process {self.pid} on {self.host}, since {self.since}"

    def about(self) -> dict[str, str]:
        """Return what a claim says of it."""
        process = {} if self.process is None else {"process": self.process}
        return {"host": self.host, "pid": str(self.pid), "since": self.since, **process}

    def within(self, status: dict[str, Any]) -> bytes:
        """Return what `status.json` says as the place has it: with who owns the run."""
        return json.dumps({**status, _KEY: asdict(self)}, indent=2).encode()


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last that a process wrote to a place.

    Attributes:
        at: When, in seconds since the epoch, by S3's clock.
        age_s: How long ago, likewise.
        closed: Whether its owner has ended in order.
        owner: Who that is, as far as it is told.
        number: Of the last segment or snapshot there; 0 before the first.
    """

    at: float
    age_s: float
    closed: bool
    owner: PlaceOwner | None
    number: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether no process is at the run, for all that can be told from here."""
        ended = self.owner is not None and self.owner.process is not None and has_ended(self.owner.process)
        return self.closed or ended or self.age_s >= SILENT_S


async def last_write(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> LastWrite | None:
    """Return what a process last wrote to a place; None if nothing tells.

    Raises:
        JournalError: The segment is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    listing = await list_journal(objects, place, clock=clock)
    numbers = listing.segments[-1:]
    writes: list[ObjectInfo] = []
    for location in (place.status, *map(place.segment, numbers)):
        info = await reading(partial(objects.head, location), location, operation="s3:GetObject", clock=clock)
        if info is not None:
            writes.append(info)
    if not writes:
        return None
    last: Segment | None = None
    for location in map(place.segment, numbers):
        content = await read_object(objects, location, clock=clock)
        last = None if content is None else decode(content, location.uri)
    newest = max(writes, key=lambda info: info.modified_at)
    return LastWrite(
        newest.modified_at,
        max((newest.seen_at or newest.modified_at) - newest.modified_at, 0.0),
        closed=last is not None and last.purpose is Purpose.CLOSE,
        owner=_owner(await read_object(objects, place.status, clock=clock), last),
        number=listing.last,
    )


async def until_silent(objects: ObjectStore, place: RunPlace, *, clock: Clock) -> int:
    """Return the number of the journal's last segment, 0 for none, once no process can be at the run.

    One that writes while we watch is at it.

    Raises:
        PlaceInUse: One is; names it.
        JournalError: The last segment is damaged, or of a later version.
        RunError: S3 does not permit it, or does not answer.
    """
    first = seen = await last_write(objects, place, clock=clock)
    told = False
    while seen is not None and not seen.is_silent:
        who = seen.owner or "another process"
        if first is not None and seen.at != first.at:
            raise place_in_use(place, seen.owner)
        if not told:
            told = True
            _log.warning(
                "%s was in use %.0f s ago, by %s: goes on once that has been silent for %.0f s",
                *(place.uri, seen.age_s, who, SILENT_S),
            )
        await clock.sleep(WATCH_S)
        seen = await last_write(objects, place, clock=clock)
    return 0 if seen is None else seen.number


def place_in_use(place: RunPlace, owner: PlaceOwner | None) -> PlaceInUse:
    """Return the error of a process that finds another one at a run."""
    return PlaceInUse(f"{place.uri} is in use by {owner or 'another process'}: wait for it, or stop it")


def _owner(status: bytes | None, last: Segment | None) -> PlaceOwner | None:
    """Return who owns the run, None if that is not told: the last segment says whom `status.json` must name."""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(status or b"")[_KEY]
        owner = PlaceOwner(
            str(told["token"]),
            str(told["host"]),
            int(told["pid"]),
            None if told["process"] is None else str(told["process"]),
            str(told["since"]),
        )
        if last is None or owner.token == last.owner:
            return owner
    with suppress(ValueError, KeyError):  # it has just claimed the run, or cannot write but segments
        about = {} if last is None else last.about
        return PlaceOwner(
            "" if last is None else last.owner,
            about["host"],
            int(about["pid"]),
            about.get("process"),
            about["since"],
        )
    return None
