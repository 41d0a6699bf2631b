"""Reads and writes `plan.json`: which units of the input each shard of a run reads, under which run id.

It is made once, by the shard that comes first, and binds them all: a shard that is started again, on whatever host,
finds its own run there, and so its journal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fanout._version import __version__
from fanout.config.model import Config
from fanout.domain.ids import is_run, new_run
from fanout.errors import JournalError
from fanout.files import parse_json, read_body
from fanout.rundir.manifest import no_run
from fanout.rundir.packed_plan import MAGIC, DamagedPlanError, pack_plan, unpack_plan
from fanout.rundir.paths import RunDirectory
from fanout.source.footer_pack import FooterPack, PackPlace, pack_place
from fanout.source.known import Known, known_of
from fanout.source.units import InputPart, Unit, unit_of
from fanout.text import count

VERSION = 1

PACKED_BYTES = 4 << 10
"""A longer plan stands in S3 packed (`packed_plan.py`): each of many shards would read all of it, and of 1,000 files of
60 KB, 64 shards a third of the input in plans."""


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """One shard.

    Attributes:
        run_id: Its run id.
        units: What it reads; nothing if there is less input than shards.
        footers: Where in `footers.zst` beside the plan their footers stand; None where they are read from the files.
    """

    run_id: str
    units: tuple[Unit, ...]
    footers: PackPlace | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        content: dict[str, Any] = {"run": self.run_id, "units": [unit.as_dict() for unit in self.units]}
        return content if self.footers is None else {**content, "footers": self.footers.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """`plan.json`.

    Attributes:
        run_id: Of the run that the shards make together.
        config: Its resolved configuration, paths absolute; each shard has a share of its bounds.
        endpoint: The endpoint's name.
        simulated: Whether that is a local AWS's.
        fingerprint: Of the whole input.
        created_at: When it was made, in seconds since the epoch: the run began then.
        deadline_at: When every shard stops, likewise; None for never.
        at_once: How many shards may be at work at once, each with as much of the rate.
        known: What was found out of the whole input.
        warnings: What a person should know of the input.
        shards: In the order of the rows.
    """

    run_id: str
    config: Config
    endpoint: str
    simulated: bool
    fingerprint: str
    created_at: float
    deadline_at: float | None
    at_once: int
    known: Known
    warnings: tuple[str, ...]
    shards: tuple[PlannedShard, ...]

    def part(self, index: int, *, footers: FooterPack | None = None) -> InputPart:
        """Return what a shard reads; `footers` as in `InputPart`."""
        return InputPart(index, len(self.shards), self.shards[index].units, self.known, footers)

    def dump_packed(self) -> bytes:
        """Return it as JSON, packed if that is long; what reads plans takes both."""
        body = self.dump()
        return body if len(body) <= PACKED_BYTES else pack_plan(body)

    def dump(self) -> bytes:
        """Return it as JSON."""
        content = {
            "version": VERSION,
            "fanout": __version__,
            "run": self.run_id,
            "endpoint": self.endpoint,
            "simulated": self.simulated,
            "fingerprint": self.fingerprint,
            "created_at": self.created_at,
            "deadline_at": self.deadline_at,
            "at_once": self.at_once,
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
            "input": self.known.as_dict(),
            "warnings": list(self.warnings),
            "shards": [shard.as_dict() for shard in self.shards],
        }
        return json.dumps(content, indent=1).encode() + b"\n"


def parse_plan(body: bytes, name: str) -> ShardPlan:
    """Return the plan in `body`, which stands at `name`.

    Raises:
        JournalError: It is damaged, or of another version.
    """
    if body.startswith(MAGIC):
        try:
            body = unpack_plan(body)
        except DamagedPlanError as error:
            raise damaged_plan(name, str(error)) from error
    return parse_json(body, name, _plan_of, version=VERSION, error=JournalError)


def damaged_plan(name: str, why: str) -> JournalError:
    """Return the error of a packed plan that stands at `name`."""
    return JournalError(f"{name} is damaged: {why}. Put back a copy of it, if there is one")


def read_plan(directory: RunDirectory) -> ShardPlan:
    """Return the plan of the run in `directory`.

    Raises:
        UsageError: There is none.
        JournalError: It is damaged, or of another version.
    """
    if not directory.plan.exists():
        raise no_run(directory.path, f"holds no run of several shards: there is no {directory.plan.name}")
    return parse_plan(read_body(directory.plan, error=JournalError), str(directory.plan))


def _plan_of(content: dict[str, Any]) -> ShardPlan:
    deadline_at = content["deadline_at"]
    shards = tuple(
        PlannedShard(
            _run_id(shard["run"]),
            tuple(map(unit_of, shard["units"])),
            None if shard.get("footers") is None else pack_place(shard["footers"]),
        )
        for shard in content["shards"]
    )
    return ShardPlan(
        run_id=_run_id(content["run"]),
        config=Config.model_validate(content["config"]),
        endpoint=str(content["endpoint"]),
        simulated=bool(content["simulated"]),
        fingerprint=str(content["fingerprint"]),
        created_at=float(content["created_at"]),
        deadline_at=None if deadline_at is None else float(deadline_at),
        at_once=int(content["at_once"]),
        known=known_of(content["input"]),
        warnings=tuple(map(str, content["warnings"])),
        shards=shards,
    )


def planned(
    divided: Sequence[tuple[Unit, ...]], footers: Sequence[PackPlace | None]
) -> tuple[PlannedShard, ...]:
    """Return the shards of these units and footers, each with a run id of its own."""
    return tuple(PlannedShard(new_run(), units, place) for units, place in zip(divided, footers, strict=True))


def idle_warning(divided: Sequence[tuple[Unit, ...]]) -> str | None:
    """Return what a person should know of shards that have nothing to read; None if all have."""
    idle = sum(not units for units in divided)
    if not idle:
        return None
    working = len(divided) - idle
    packed = sum(unit.compression != "none" for units in divided for unit in units)
    why = (
        f"{count(packed, 'compressed file')} can be read from its start alone"
        if packed
        else "there are fewer files, row groups or lines than shards"
    )
    return f"there is something to read for {working} of {count(len(divided), 'shard')}: {why}"


def _run_id(value: Any) -> str:
    if not isinstance(value, str) or not is_run(value):
        raise ValueError(f"{value!r} is not the id of a run")
    return value
