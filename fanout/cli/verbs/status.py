"""Prints where a run stands: `fanout status`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import print_json, write_out
from fanout.cli.options import RunName, from_flags
from fanout.config.flags import REPORT, Sections


@from_flags(REPORT)
def status(
    *,
    run: RunName,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file, for access to a run that is kept in S3."),
    ] = None,
    flags: Sections,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where a run stands, live or dead, and what to do next; disturbs nothing."""
    from fanout.api.verbs import status as status_of
    from fanout.cli.status_text import describe
    from fanout.config.load import load_config

    found = status_of(run, config=load_config(config, environ=os.environ, flags=flags))
    if as_json:
        print_json(found.as_dict())
    else:
        write_out(f"{describe(found)}\n")
