"""Settings of the parts as the configuration's defaults make them, but for what a test changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fanout.aws.settings import AwsSettings
from fanout.config.model import Config
from fanout.domain.retry_policy import ModelRetry
from fanout.domain.routing import Routing
from fanout.engine.reconcile.schedule import LookupPolicy
from fanout.engine.settings import EngineLimits
from fanout.engine.stages.write import PartLimits
from fanout.runtime import settings as compose
from fanout.source.settings import InputSettings

DEFAULTS = Config()
KEEPING: dict[str, Any] = {
    "encryption": "aws:kms",
    "kms_key_id": "11111111-2222-3333-4444-555555555555",
    "bucket_key": True,
    "request_payer": "requester",
}
"""All that uploads can be asked to be kept as."""


def aws_settings(**changes: Any) -> AwsSettings:
    return replace(compose.aws_settings(DEFAULTS, None), **changes)


def input_settings(paths: Sequence[str], **changes: Any) -> InputSettings:
    return replace(compose.input_settings(DEFAULTS), paths=tuple(paths), **changes)


def engine_limits(**changes: Any) -> EngineLimits:
    return replace(compose.limits(DEFAULTS), **changes)


def part_limits(**changes: Any) -> PartLimits:
    return replace(compose.limits(DEFAULTS).parts, **changes)


def lookup_policy(*, notified: bool = True, **changes: Any) -> LookupPolicy:
    return replace(compose.lookup_policy(DEFAULTS, notified=notified), **changes)


def routing(run_id: str, **changes: Any) -> Routing:
    """Return how rows are routed where payloads may go inline."""
    return replace(compose.routing(DEFAULTS, run_id, inline=True, simulator=None), **changes)


def model_retry(**changes: Any) -> ModelRetry:
    return replace(compose.model_retry(DEFAULTS), **changes)
