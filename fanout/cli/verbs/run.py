"""Runs the main job, from its flags to its exit code: `fanout run`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import Reporting
from fanout.cli.options import from_flags
from fanout.config.flags import RUN, Sections
from fanout.errors import UnfinishedRun


@from_flags(RUN)
def run(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    flags: Sections,
    reporting: Reporting,
) -> None:
    """Send every row of the input to an endpoint and write one Parquet file.

    Flags override FANOUT_* variables (FANOUT_PACING_RATE=200), which override the TOML file.
    """
    from fanout.cli.startup import load_engine
    from fanout.config.load import load_config

    load_engine()
    from fanout.commands.paths import lacking

    loaded = load_config(config, environ=os.environ, flags=flags, also=lacking)
    reporting.configure_logging()
    from fanout.api.verbs import run as run_to_the_end

    try:
        reporting.show(
            lambda observer: run_to_the_end(loaded, observer=observer),
            rows_failed_exit=loaded.run.rows_failed_exit,
        )
    except UnfinishedRun as unfinished:
        unfinished.name_line(shlex.join(["fanout", *sys.argv[1:], "--resume"]))
        raise
