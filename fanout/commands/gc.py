"""Finds in an account what runs left that are gone, and removes it if that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fanout.commands.account_scan import scan_account, topics_of
from fanout.commands.claims_left import LeftClaim, claims_here, claims_in_s3, outputs_here, outputs_of
from fanout.commands.judging import judged, judged_claims, judged_places
from fanout.commands.leftovers import FoundPlace, Leftover, remove
from fanout.commands.places_left import places_left, prefixes_of
from fanout.commands.sights import begun, in_sight
from fanout.config.model import Config
from fanout.domain.dead_places import Unfinished
from fanout.domain.dead_runs import Sight
from fanout.domain.location import parse_prefix
from fanout.errors import Exit, UsageError
from fanout.ports import Clock, Cloud
from fanout.runtime.place.run_place import is_place
from fanout.runtime.session import open_session

VERSION = 1
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a clean-up found, and what it did.

    Attributes:
        mode: Whether it only lists, or deletes.
        leftovers: What was found, run by run.
        unseen: What could not be looked at, and what to grant.
    """

    mode: Literal["list", "delete"]
    leftovers: Sequence[Leftover]
    unseen: Sequence[str]

    @property
    def exit(self) -> Exit:
        """The exit code: what may go and could not be removed is a precondition."""
        stays = any(each.verdict.gone and each.outcome == "left" for each in self.leftovers)
        return Exit.PRECONDITION if stays else Exit.OK

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": VERSION,
            "mode": self.mode,
            "found": [each.as_dict() for each in self.leftovers],
            "unseen": list(self.unseen),
        }


async def collect_garbage(
    config: Config,
    *,
    run_dirs: Sequence[str],
    older_than_s: float,
    mode: Literal["list", "delete"],
    unfinished: Unfinished = "keep",
) -> Cleared:
    """Find what runs left that are gone, of the configuration's endpoint or of the account; remove it in `delete`.

    Args:
        config: Names the account, the endpoint if only its runs are meant, the prefix of uploaded payloads, and where
            runs are kept in S3.
        run_dirs: Run directories, or directories that hold some, beside those below the working directory; or places
            of runs in S3, or prefixes that hold some.
        older_than_s: How long a run must have been silent.
        mode: Whether to remove anything.
        unfinished: What becomes of places of runs that can be gone on with.

    Raises:
        UsageError: A directory is none, or the local AWS is meant, which leaves nothing.
        RunError: Nothing could be looked at, or AWS does not answer.
    """
    if config.local.enabled:
        raise UsageError(
            "the local AWS ends with its run, and leaves nothing behind: leave out local.enabled"
        )
    prefixes = prefixes_of(run_dirs, config)
    directories = [Path(each) for each in run_dirs if not is_place(each)]
    sights = in_sight(directories, here=Path.cwd())
    endpoint, prefix = config.endpoint.name, config.transport.input_prefix
    uploads = parse_prefix(prefix) if prefix else None
    mine = {
        run_id: sight for run_id, sight in sights.items() if endpoint is None or sight.endpoint == endpoint
    }
    async with open_session(config) as session:
        cloud, clock = session.cloud, session.clock
        unseen: list[str] = []
        places = await places_left(session, prefixes, unseen)
        noted = begun(mine.values()) | {
            each.run_id: each.begun
            for each in places
            if each.manifest is not None and endpoint in {None, each.manifest.endpoint}
        }
        sights |= {each.run_id: each.sight for each in places if each.sight is not None}
        found = await scan_account(
            cloud,
            clock=clock,
            topics=await topics_of(cloud, endpoint),
            uploads=uploads,
            places=sorted({location for each in noted.values() for location in each.places}),
        )
        leftovers = judged(
            found, sights=sights, uploads=uploads, begun=noted, endpoint=endpoint, older_than_s=older_than_s
        )
        unseen += found.unseen
        kept = judged_places(places, endpoint=endpoint, older_than_s=older_than_s, unfinished=unfinished)
        claims = await _claims(
            config, directories, sights=sights, places=kept, cloud=cloud, clock=clock, unseen=unseen
        )
        leftovers += kept
        leftovers += judged_claims(
            claims, others=leftovers, sights=sights, endpoint=endpoint, older_than_s=older_than_s
        )
        if mode == "delete":
            leftovers = await remove(leftovers, cloud, clock=clock)
    return Cleared(mode, leftovers, unseen)


async def _claims(
    config: Config,
    run_dirs: Sequence[Path],
    *,
    sights: Mapping[str, Sight],
    places: Sequence[Leftover],
    cloud: Cloud,
    clock: Clock,
    unseen: list[str],
) -> list[LeftClaim]:
    """Return the claims on outputs of runs in sight, of all beside these runs, and below the output that is named."""
    kept_here = {sight.directory for sight in sights.values() if not is_place(sight.directory)}
    seen = {each.name: each for each in places}
    outputs = [*outputs_of(kept_here), *filter(None, map(_output, places))]
    here = claims_here([*outputs, *outputs_here(run_dirs, here=Path.cwd())], unseen)
    found = here + await claims_in_s3(cloud.objects, outputs, unseen, below=config.output.path, clock=clock)
    return [_as_seen(each, seen.get(each.where)) for each in found]


def _output(leftover: Leftover) -> str | None:
    """Return the output of a run that is kept in S3, None where nothing tells."""
    target = leftover.target
    manifest = target.left.manifest if isinstance(target, FoundPlace) else None
    return None if manifest is None else manifest.config.output.path


def _as_seen(claim: LeftClaim, place: Leftover | None) -> LeftClaim:
    """Return a claim with what its run's place tells of that run."""
    if place is None or not isinstance(place.target, FoundPlace) or place.run_id != claim.run_id:
        return claim
    match place.target.left.state:
        case "at work":
            return replace(claim, run="at work")
        case "finished" | "never began":
            return replace(claim, run="over")
        case "unfinished":
            return replace(claim, run="over" if place.verdict.gone else "unfinished")
    return claim


def age_s(text: str) -> float:
    """Return the seconds that `90s`, `15m`, `12h` or `1d` are.

    Raises:
        UsageError: It is none of these.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a duration: write 90s, 15m, 12h or 1d")
    return float(found[1]) * _UNITS_S[found[2]]
