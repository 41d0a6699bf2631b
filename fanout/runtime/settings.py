"""Turns a configuration into what the parts of the program take; pure, one function a part."""

from __future__ import annotations

from pathlib import Path

from fanout.aws.settings import AwsSettings
from fanout.config.model import Config
from fanout.domain.limits import INLINE_MAX_BYTES
from fanout.domain.location import parse_prefix
from fanout.domain.records import Options
from fanout.domain.response_fields import Responses
from fanout.domain.retry_policy import PATTERNS, ModelRetry
from fanout.domain.routing import Routing
from fanout.engine.reconcile.schedule import LookupPolicy
from fanout.engine.settings import EngineLimits, EngineSettings
from fanout.engine.stages.write import PartLimits
from fanout.errors import UsageError
from fanout.ports import Endpoint
from fanout.runtime.place.release import LAPSE_S
from fanout.runtime.place.run_place import is_place
from fanout.runtime.simulated import SimulatorAddress
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.stdin import STDIN, is_stdin


def aws_settings(config: Config, simulator: SimulatorAddress | None) -> AwsSettings:
    """Return how AWS is reached: as configured, or the local AWS that is `simulator`."""
    transport, endpoint, collect = config.transport, config.endpoint, config.collect
    connections = max(transport.concurrency, transport.uploads * 4, _fetches(config) + collect.pollers, 16)
    return AwsSettings(
        client=transport.client,
        region=simulator.region if simulator else endpoint.region,
        profile=None if simulator else endpoint.profile,
        endpoint_url=simulator.url if simulator else endpoint.url,
        access_key_id=simulator.access_key_id if simulator else None,
        secret_access_key=simulator.secret_access_key if simulator else None,
        session_token=simulator.session_token if simulator else None,
        connect_timeout_s=transport.connect_timeout_s,
        call_timeout_s=transport.call_timeout_s,
        max_connections=connections,
        inline_regions=transport.inline_regions,
        encryption=transport.encryption,
        kms_key_id=transport.kms_key_id,
        bucket_key=transport.bucket_key,
        bucket_owner=endpoint.bucket_owner,
        request_payer=transport.request_payer,
    )


def descriptors(config: Config) -> int:
    """Return how many files and connections are open at most, by what may be under way at once.

    A connection each, and room for what is there once: journal, parts, pipes, the event loop's own.
    """
    transport = config.transport
    uploads = transport.uploads * 4  # parts of one upload in flight
    return transport.concurrency + uploads + _fetches(config) + config.collect.pollers + 100


def input_settings(config: Config) -> InputSettings:
    """Return what to read."""
    given = config.input
    return InputSettings(
        given.paths,
        format=given.format,
        compression=given.compression,
        limit=given.limit,
        line_cap_bytes=given.line_max_bytes,
        batch_bytes=given.batch_bytes,
        any_json=given.any_json,
        text_columns=given.text_columns,
    )


def selection(config: Config) -> Selection:
    """Return what of a row becomes what."""
    payload, columns = config.payload, config.columns
    return Selection(
        payload_column=payload.column,
        payload_fields=payload.fields,
        template=payload.template,
        id_column=columns.id,
        location_column=columns.location,
        content_type_column=columns.content_type,
        accept_column=columns.accept,
        custom_attributes_column=columns.custom_attributes,
        ttl_column=columns.ttl_s,
        invocation_timeout_column=columns.invocation_timeout_s,
        keep=columns.keep,
        defaults=Options(
            content_type=payload.content_type,
            accept=payload.accept,
            custom_attributes=payload.custom_attributes,
            ttl_s=payload.ttl_s,
            invocation_timeout_s=payload.invocation_timeout_s,
        ),
    )


def routing(config: Config, run_id: str, *, inline: bool, simulator: SimulatorAddress | None) -> Routing:
    """Return how rows are routed; `inline` tells whether this region and SDK take payloads in the request.

    Raises:
        UsageError: Every payload would have to go via S3, and no place is named for that.
    """
    transport = config.transport
    prefix = transport.input_prefix
    if prefix is None and simulator is not None:
        prefix = f"s3://{simulator.input_bucket}/fanout-inputs"
    uploads = parse_prefix(prefix) if prefix else None
    if uploads is None and config.columns.location is None and (transport.mode == "s3" or not inline):
        raise UsageError(
            "every payload has to go via S3: name a place for them: --input-prefix s3://bucket/prefix"
        )
    return Routing(
        run_id=run_id,
        mode=transport.mode,
        inline_max_bytes=min(transport.inline_max_bytes, INLINE_MAX_BYTES) if inline else -1,
        uploads=uploads,
    )


def job(
    config: Config,
    run_id: str,
    *,
    name: str,
    endpoint: Endpoint | None,
    routing: Routing,
    parts: Path | None,
    notified: bool,
) -> EngineSettings:
    """Return the settings of an engine.

    Args:
        config: The run's configuration.
        run_id: The run's id.
        name: The endpoint's name.
        endpoint: What AWS says of it, None if this role may not ask.
        routing: See `routing`.
        parts: Directory of the part files.
        notified: Whether notifications come.
    """
    return EngineSettings(
        run_id=run_id,
        endpoint=name,
        output_path=endpoint.output_path if endpoint else None,
        failure_path=endpoint.failure_path if endpoint else None,
        routing=routing,
        parts=parts,
        limits=limits(config),
        lookup=lookup_policy(config, notified=notified),
        retry=model_retry(config),
        shared_queue=config.collect.queue_url is not None,
        hears_failures=notified and endpoint is not None and endpoint.error_topic is not None,
        trust_responses=config.collect.trust_responses,
        trust_failures=config.collect.trust_failures,
        keep_inputs=config.transport.keep_inputs,
        kms_key_id=config.transport.kms_key_id,
        input_tags=config.transport.input_tags,
        responses=responses(config),
        seed=config.run.seed,
    )


def limits(config: Config) -> EngineLimits:
    """Return the bounds of the engine."""
    return EngineLimits(
        concurrency=config.transport.concurrency,
        window=config.pacing.window,
        held_bytes=config.pacing.held_bytes,
        response_max_bytes=config.collect.response_max_bytes,
        uploads=config.transport.uploads,
        fetches=_fetches(config),
        pollers=config.collect.pollers,
        poll_s=config.collect.poll_s,
        max_failures=config.run.max_failures,
        grace_s=config.run.grace_s,
        parts=PartLimits(
            rows=config.output.part_rows, size_bytes=config.output.part_bytes, age_s=config.output.part_s
        ),
    )


def lookup_policy(config: Config, *, notified: bool) -> LookupPolicy:
    """Return how long to wait before looking into S3."""
    collect, kept_in_s3 = config.collect, is_place(config.run.dir or "")
    unknown_s = collect.unknown_wait_s
    if unknown_s is not None and kept_in_s3:
        unknown_s = max(unknown_s, LAPSE_S)  # so long, the owner before may still send
    return LookupPolicy(
        notified=notified,
        quiet_s=collect.quiet_s,
        unknown_s=unknown_s,
        unknown=collect.unknown,
        # A lost host leaves more such rows than a killed process, and may have left all rows as such.
        alone_after_loss_s=float("inf") if kept_in_s3 else None,
    )


def model_retry(config: Config) -> ModelRetry:
    """Return which rows that the model failed are sent again."""
    given = config.retry
    return ModelRetry(given.generations, PATTERNS if given.patterns is None else given.patterns)


def responses(config: Config) -> Responses:
    """Return what is wanted of every response."""
    output = config.output
    return Responses(output.response, tuple(field.of(name) for name, field in output.fields.items()))


def absolute(config: Config) -> Config:
    """Return the configuration with local paths made absolute, so that a resume may start elsewhere."""

    def fixed(path: str) -> str:
        if path == STDIN or "://" in path:
            return path
        return str(Path(path).absolute()) + ("/" if path.endswith("/") else "")

    return config.model_copy(
        update={
            "input": config.input.model_copy(
                # Other names of standard input lead elsewhere while it is kept.
                update={
                    "paths": tuple(STDIN if is_stdin(path) else fixed(path) for path in config.input.paths),
                    "watermark": fixed(config.input.watermark) if config.input.watermark else None,
                }
            ),
            "output": config.output.model_copy(
                update={"path": fixed(config.output.path) if config.output.path else None}
            ),
            "metrics": config.metrics.model_copy(
                update={"textfile": fixed(config.metrics.textfile) if config.metrics.textfile else None}
            ),
        }
    )


def s3_alone(config: Config) -> Config:
    """Return what of a configuration leads to S3: for a verb that has no endpoint and no input."""
    return Config(endpoint=config.endpoint, transport=config.transport)


def required(value: str | None, otherwise: str) -> str:
    """Return `value`.

    Raises:
        UsageError: There is none; says `otherwise`.
    """
    if not value:
        raise UsageError(otherwise)
    return value


def _fetches(config: Config) -> int:
    """Return how many results are downloaded at once.

    A row costs one request and one download of about the same round trip: with half as many downloads as requests,
    results queue behind them (7,473 small rows: 1.4 s in the median until a row was noticed, 0.1 s with as many).
    """
    return config.collect.fetches or config.transport.concurrency
