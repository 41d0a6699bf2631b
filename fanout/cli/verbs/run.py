"""Runs the main job, from its flags to its exit code: `fanout run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import log_to_stderr, show
from fanout.cli.options import AsJson, LogFormat, LogLevel, Quiet, Verbose, from_flags
from fanout.config.flags import RUN, Sections


@from_flags(RUN)
def run(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    flags: Sections,
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

    loaded = load_config(config, environ=os.environ, flags=flags)
    log_to_stderr(form=log_format, level=log_level, verbose=verbose)
    from fanout.api import run as run_to_the_end

    show(lambda observer: run_to_the_end(loaded, observer=observer), quiet=quiet, as_json=as_json)
