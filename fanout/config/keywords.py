"""Names the keywords of the Python API for type checkers and editors: the flags, with `_` for `-`.

A test compares them with `config.flags`, which decides what each means.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import TypedDict, TypeVar

StrPath = str | os.PathLike[str]
F = TypeVar("F", bound=Callable[..., object])


def spelled_out(keywords: type) -> Callable[[F], F]:
    """Return a decorator that has a function's `__signature__` list `keywords` in place of its `**keywords`.

    Type checkers read the TypedDict; `help()`, IPython and Jedi read signatures, and would know of none of them.
    """

    def decorate(function: F) -> F:
        found = signature(function)
        *others, _rest = found.parameters.values()
        named = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind.__forward_arg__)
            for name, kind in keywords.__annotations__.items()
        ]
        function.__signature__ = found.replace(parameters=[*others, *named])  # type: ignore[attr-defined]
        return function

    return decorate


class RunKeywords(TypedDict, total=False):
    """Keywords of `fanout.run` and `fanout.open`."""

    inputs: StrPath | Sequence[StrPath] | None
    output: StrPath | None
    endpoint: str | None
    local: bool | None
    transport: str | None
    input_prefix: str | None
    keep_inputs: bool | None
    kms_key_id: str | None
    payload_column: str | None
    payload_fields: str | Sequence[str] | None
    id_column: str | None
    location_column: str | None
    text_columns: str | Sequence[str] | None
    keep: str | Sequence[str] | None
    content_type: str | None
    content_type_column: str | None
    accept: str | None
    custom_attributes: str | None
    ttl: int | None
    invocation_timeout: int | None
    date: str | None
    since: str | None
    rate: float | None
    concurrency: int | None
    window: int | None
    limit: int | None
    max_failures: int | None
    queue_url: str | None
    no_notifications: bool | None
    trust_responses: bool | None
    trust_failures: bool | None
    region: str | None
    profile: str | None
    deadline: float | None
    grace: float | None
    processes: int | None
    shard: str | None
    shards: int | None
    at_once: int | None
    engine: str | None
    ray_address: str | None
    rows_failed_exit: int | None
    run_dir: StrPath | None
    ephemeral: bool | None
    resume: bool | None
    metrics_port: int | None
    metrics_textfile: StrPath | None
    pushgateway: str | None
    response: str | None
    overwrite: bool | None


class RetryKeywords(TypedDict, total=False):
    """Keywords of `fanout.retry`."""

    run_dir: StrPath | None
    ephemeral: bool | None
    rate: float | None
    concurrency: int | None
    window: int | None
    max_failures: int | None
    deadline: float | None
    grace: float | None
    metrics_port: int | None
    metrics_textfile: StrPath | None
    pushgateway: str | None
    overwrite: bool | None


class ResumeKeywords(TypedDict, total=False):
    """Keywords of `fanout.resume`."""

    unknown: str | None
    rate: float | None
    concurrency: int | None
    max_failures: int | None
    deadline: float | None
    metrics_port: int | None
    metrics_textfile: StrPath | None
    pushgateway: str | None
    overwrite: bool | None
