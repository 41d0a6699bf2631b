"""Records how an experiment was carried out, and tells in what it differs from an earlier one.

The plan says what was tried; this says with what, and where. Either may explain a difference of results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanout.config.model import Config

_OPEN_LOOP = frozenset({"rate_per_s", "arrivals"})
"""Of the plan; a closed loop has no schedule."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How an experiment was carried out.

    Attributes:
        region: Of the endpoint.
        closed: Rows open at once in a closed loop; None in an open loop.
        concurrency: Requests in flight at most.
        window: Rows open at most.
        client: Of the calls made for each row.
        payloads: What was sent: `made` here, or the input's fingerprint, selection and content type.
        input_prefix: Where the payloads that went via S3 were put.
        notified: Whether notifications came, or results were found by listing.
        instances: Of the endpoint, at the start; None if this role may not ask.
        simulator: Settings of the local AWS that was started for it; None for any other endpoint.
    """

    region: str
    closed: int | None
    concurrency: int
    window: int
    client: str
    payloads: Mapping[str, Any]
    input_prefix: str | None
    notified: bool
    instances: int | None
    simulator: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two experiments differ; `before` is None, too, where the earlier one did not record it."""

    name: str
    before: object
    now: object

    def __str__(self) -> str:
        """Say it."""
        return f"{self.name} ({_said(self.before)} then, {_said(self.now)} now)"


def setup_of(
    config: Config,
    *,
    region: str,
    notified: bool,
    instances: int | None,
    fingerprint: str | None,
) -> Setup:
    """Return how an experiment is carried out.

    Args:
        config: That of its run.
        region: The endpoint's.
        notified: Whether notifications come.
        instances: The endpoint's; None if unknown.
        fingerprint: Of the input; None for payloads of our own making.
    """
    payloads: dict[str, Any] = {"from": "made"}
    if fingerprint is not None:
        payloads = {
            "from": fingerprint,
            "limit": config.input.limit,
            **config.payload.model_dump(mode="json", exclude_defaults=True),
        }
    return Setup(
        region=region,
        closed=config.bench.closed,
        concurrency=config.transport.concurrency,
        window=config.pacing.window,
        client=config.transport.client,
        payloads=payloads,
        input_prefix=config.transport.input_prefix,
        notified=notified,
        instances=instances,
        simulator=dict(config.local.simulator) if config.local.enabled else None,
    )


def differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[Difference]:
    """Return in what two experiments differ, by what each recorded of itself; seeds always may."""
    now, before, left_out = dict(now), dict(before), {"seed"}
    if now.get("closed") is not None and before.get("closed") is not None:
        left_out |= _OPEN_LOOP
    if isinstance(now.get("simulator"), Mapping) and isinstance(before.get("simulator"), Mapping):
        now["simulator"], before["simulator"] = map(_without_seed, (now["simulator"], before["simulator"]))
    return [
        Difference(name, before.get(name), value)
        for name, value in now.items()
        if name not in left_out and before.get(name) != value
    ]


def _without_seed(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "seed"}


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return "none" if value is None else str(value)
