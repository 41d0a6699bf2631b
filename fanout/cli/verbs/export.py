"""Writes what an unfinished run has collected so far: `fanout export`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.options import RunName, from_flags
from fanout.config.flags import REPORT, Sections


@from_flags(REPORT)
def export(
    *,
    run: RunName,
    output: Annotated[str, typer.Option("-o", "--output", help="Parquet file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file, for access to a run that is kept in S3."),
    ] = None,
    flags: Sections,
) -> None:
    """Write what an unfinished run has collected so far; the run itself is left as it is."""
    from fanout.api.verbs import export as export_rows
    from fanout.config.load import load_config
    from fanout.text import count, escape

    loaded = load_config(config, environ=os.environ, flags=flags)
    rows = export_rows(run, output, overwrite=overwrite, config=loaded)
    sys.stderr.write(f"{count(rows, 'row')} in {escape(output)}\n")
