"""Holds what an output says of the run that made it: command, settings, account, endpoint, versions; no secret.

It travels in the metadata of the output, as one JSON object, so that a report needs nothing but the output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

PROVENANCE_KEY = "fanout:provenance"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an output comes from; None where it is not known.

    Attributes:
        fanout: Version of the program that finished it.
        python: Version of its interpreter.
        commands: The command that began the run, and the last one of a run that was resumed; none of a program.
        started_at: When the process that finished it began, ISO 8601 in UTC.
        account: The 12 digits of the endpoint's account.
        account_alias: What people call it (`endpoint.account_alias`).
        instances: Of the endpoint, when it was described.
        instance_types: Those by their type.
        settings: What differs from the defaults, by section and key (`config.shown`).
        in_force: What decides on speed, by `section.key`.
        fingerprint: Of the input: equal ones number the same rows alike.
        retry_of: The run whose failed rows these are.
    """

    fanout: str
    python: str | None = None
    commands: tuple[tuple[str, ...], ...] = ()
    started_at: str | None = None
    account: str | None = None
    account_alias: str | None = None
    region: str | None = None
    instances: int | None = None
    instance_types: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    in_force: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    retry_of: str | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """What was sent to: the account, its region, and the endpoint's instances."""
        return self.account, self.account_alias, self.region, self.instances, dict(self.instance_types)

    def as_metadata(self) -> dict[str, str]:
        """Return the metadata of an output."""
        return {PROVENANCE_KEY: json.dumps({"version": VERSION, **asdict(self)})}


def read_provenance(said: str | None) -> Provenance | None:
    """Return what an output's metadata says; None if it says nothing, or nothing that is understood here."""
    if said is None:
        return None
    try:
        content = json.loads(said)
        if content.pop("version") != VERSION:
            return None
        known = {name: content[name] for name in Provenance.__dataclass_fields__ if name in content}
        return Provenance(
            **{**known, "commands": tuple(tuple(map(str, command)) for command in known.get("commands", ()))}
        )
    except (ValueError, TypeError, KeyError, AttributeError):  # a later version's, or not ours
        return None
