"""`fanout run`: the main job, from its flags to its exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import log_to_stderr, show
from fanout.cli.options import (
    AsJson,
    Concurrency,
    ContentType,
    Endpoint,
    LogFormat,
    LogLevel,
    MetricsPort,
    MetricsTextfile,
    Overwrite,
    PayloadFields,
    Profile,
    Pushgateway,
    Quiet,
    Rate,
    Region,
    Verbose,
    names,
)


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Files, directories, globs, s3:// locations, or - for stdin."),
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Parquet file to write; with a slash at its end, a dataset."),
    ] = None,
    endpoint: Endpoint = None,
    local: Annotated[
        bool | None, typer.Option("--local", help="Run against the local AWS that ships with fanout.")
    ] = None,
    transport: Annotated[str | None, typer.Option(help="auto, inline or s3.")] = None,
    input_prefix: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix for payloads that are too large to go inline.")
    ] = None,
    keep_inputs: Annotated[
        bool | None, typer.Option("--keep-inputs", help="Leave uploaded payloads in S3.")
    ] = None,
    kms_key_id: Annotated[str | None, typer.Option(help="KMS key that encrypts uploaded payloads.")] = None,
    payload_column: Annotated[
        str | None, typer.Option(help="This column, verbatim, is the payload (bytes or text).")
    ] = None,
    payload_fields: PayloadFields = None,
    id_column: Annotated[str | None, typer.Option(help="Column that becomes `id` in the output.")] = None,
    location_column: Annotated[
        str | None, typer.Option(help="Column that names an s3:// object to send instead of a payload.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Columns (a,b) to copy into the output.")] = None,
    content_type: ContentType = None,
    content_type_column: Annotated[str | None, typer.Option(help="Column that holds each row's.")] = None,
    accept: Annotated[str | None, typer.Option(help="Content type asked of the model.")] = None,
    custom_attributes: Annotated[str | None, typer.Option(help="Handed to the model with every row.")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds a row may wait in the endpoint's queue.")] = None,
    invocation_timeout: Annotated[
        int | None, typer.Option(help="Seconds the model may take for a row.")
    ] = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    window: Annotated[int | None, typer.Option(help="Rows open at once, sent and not finished.")] = None,
    limit: Annotated[int | None, typer.Option(help="Rows to read at most.")] = None,
    max_failures: Annotated[int | None, typer.Option(help="Stop after more failed rows than this.")] = None,
    queue_url: Annotated[
        str | None, typer.Option(help="SQS queue to listen to; by default one is made.")
    ] = None,
    no_notifications: Annotated[
        bool | None, typer.Option("--no-notifications", help="Find results by listing S3.")
    ] = None,
    trust_responses: Annotated[
        bool | None, typer.Option("--trust-responses", help="Take responses out of notifications.")
    ] = None,
    region: Region = None,
    profile: Profile = None,
    deadline: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (exit 7), resumable.")
    ] = None,
    grace: Annotated[
        float | None, typer.Option(help="Seconds to collect what the endpoint has, once stopped.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes of this machine that share the run; 1 by default.")
    ] = None,
    run_dir: Annotated[str | None, typer.Option(help="Directory of the run's own files.")] = None,
    metrics_port: MetricsPort = None,
    metrics_textfile: MetricsTextfile = None,
    pushgateway: Pushgateway = None,
    overwrite: Overwrite = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = None,
) -> None:
    """Send every row of the input to an endpoint and write one Parquet file.

    Flags override FANOUT_* variables (FANOUT_PACING_RATE=200), which override the TOML file.
    """
    from fanout.config.load import load_config

    flags = {
        "input": {"paths": list(inputs) if inputs else None, "limit": limit},
        "endpoint": {"name": endpoint, "region": region, "profile": profile},
        "payload": {
            "column": payload_column,
            "fields": names(payload_fields),
            "content_type": content_type,
            "accept": accept,
            "custom_attributes": custom_attributes,
            "ttl_s": ttl,
            "invocation_timeout_s": invocation_timeout,
        },
        "columns": {
            "id": id_column,
            "keep": names(keep),
            "location": location_column,
            "content_type": content_type_column,
        },
        "transport": {
            "mode": transport,
            "input_prefix": input_prefix,
            "keep_inputs": keep_inputs,
            "kms_key_id": kms_key_id,
            "concurrency": concurrency,
        },
        "pacing": {"rate": rate, "window": window},
        "collect": {
            "queue_url": queue_url,
            "notifications": False if no_notifications else None,
            "trust_responses": trust_responses,
        },
        "output": {"path": output, "overwrite": overwrite},
        "run": {
            "dir": run_dir,
            "processes": processes,
            "max_failures": max_failures,
            "deadline_s": deadline,
            "grace_s": grace,
        },
        "local": {"enabled": local},
        "metrics": {"port": metrics_port, "textfile": metrics_textfile, "pushgateway": pushgateway},
    }
    loaded = load_config(config, environ=os.environ, flags=flags)
    log_to_stderr(form=log_format, level=log_level, verbose=verbose)
    from fanout.api import run as run_to_the_end

    show(lambda observer: run_to_the_end(loaded, observer=observer), quiet=quiet, as_json=as_json)
