"""Finds in an account what runs left that are gone, and removes it if that is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fanout.commands.account_scan import scan_account, topics_of
from fanout.commands.judging import judged
from fanout.commands.leftovers import Leftover, remove
from fanout.commands.sights import begun, in_sight
from fanout.config.model import Config
from fanout.domain.location import parse_prefix
from fanout.errors import Exit, UsageError
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
    config: Config, *, run_dirs: Sequence[Path], older_than_s: float, mode: Literal["list", "delete"]
) -> Cleared:
    """Find what runs left that are gone, of the configuration's endpoint or of the account; remove it in `delete`.

    Args:
        config: Names the account, the endpoint if only its runs are meant, and the prefix of uploaded payloads.
        run_dirs: Run directories, or directories that hold some, beside those below the working directory.
        older_than_s: How long a run must have been silent.
        mode: Whether to remove anything.

    Raises:
        UsageError: A directory is none, or the local AWS is meant, which leaves nothing.
        RunError: Nothing could be looked at, or AWS does not answer.
    """
    if config.local.enabled:
        raise UsageError(
            "the local AWS ends with its run, and leaves nothing behind: leave out local.enabled"
        )
    sights = in_sight(run_dirs, here=Path.cwd())
    endpoint, prefix = config.endpoint.name, config.transport.input_prefix
    uploads = parse_prefix(prefix) if prefix else None
    mine = {
        run_id: sight for run_id, sight in sights.items() if endpoint is None or sight.endpoint == endpoint
    }
    async with open_session(config) as session:
        cloud, clock = session.cloud, session.clock
        noted = begun(mine.values())
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
        if mode == "delete":
            leftovers = await remove(leftovers, cloud, clock=clock)
    return Cleared(mode, leftovers, found.unseen)


def age_s(text: str) -> float:
    """Return the seconds that `90s`, `15m`, `12h` or `1d` are.

    Raises:
        UsageError: It is none of these.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no time: write 90s, 15m, 12h or 1d")
    return float(found[1]) * _UNITS_S[found[2]]
