"""Holds the settings of one run of the engine: names, bounds and policies. The configuration has the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.domain.retry_policy import ModelRetry
from fanout.domain.routing import Routing
from fanout.engine.reconcile.schedule import LookupPolicy
from fanout.engine.stages.write import PartLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """Bounds of a run: how much at once, and how much memory.

    Attributes:
        concurrency: Requests in flight at once.
        window: Rows that are open at once, sent or about to be: a cold endpoint's queue must not outlive its TTL.
        held_bytes: Payload bytes in memory; one larger payload is let through alone.
        uploads: Uploads at once.
        fetches: Downloads of results at once.
        pollers: Long polls at once.
        poll_s: Length of a long poll, at most 20.
        max_failures: Rows that may end without success before the run stops; None for any number.
        grace_s: Seconds that accepted rows may still take to end after the order to stop.
        parts: When a part file is closed.
    """

    concurrency: int
    window: int
    held_bytes: int
    uploads: int
    fetches: int
    pollers: int
    poll_s: float
    max_failures: int | None = None
    grace_s: float
    parts: PartLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """One run.

    Attributes:
        output_path: `S3OutputPath` of the endpoint, None if it is not known.
        failure_path: `S3FailurePath`, likewise.
        parts: Directory of the part files; None where outcomes are delivered instead.
        shared_queue: The queue serves others too.
        trust_responses: Believe what notifications carry.
        keep_inputs: Leave uploaded payloads where they are.
        kms_key_id: Key that encrypts uploaded payloads, for the text of errors; None for the bucket's own.
        input_tags: Tags of uploaded payloads.
        seed: Of the jitter; None for a random one.
    """

    run_id: str
    endpoint: str
    output_path: str | None
    failure_path: str | None
    routing: Routing
    parts: Path | None
    limits: EngineLimits
    lookup: LookupPolicy
    retry: ModelRetry
    shared_queue: bool = False
    trust_responses: bool = False
    keep_inputs: bool = False
    kms_key_id: str | None = None
    input_tags: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
