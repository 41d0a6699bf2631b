"""Holds the settings of one run of the engine: names, bounds and policies. The configuration has the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.domain.response_fields import Responses
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
        held_bytes: Payload bytes in memory, and likewise bytes of responses; one that is larger is let through alone.
        response_max_bytes: A larger response is not read.
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
    response_max_bytes: int
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
        hears_failures: The endpoint announces failures, and the run's queue receives what it announces.
        trust_responses: Take responses out of notifications.
        trust_failures: Believe a failure that a message announces, without an object in S3 that proves it.
        keep_inputs: Leave uploaded payloads where they are.
        kms_key_id: Key that encrypts uploaded payloads, for the text of errors; None for the bucket's own.
        input_tags: Tags of uploaded payloads.
        responses: What is wanted of every response; a row whose response lacks it ends as `invalid`.
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
    responses: Responses
    shared_queue: bool = False
    hears_failures: bool = False
    trust_responses: bool = False
    trust_failures: bool = False
    keep_inputs: bool = False
    kms_key_id: str | None = None
    input_tags: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
