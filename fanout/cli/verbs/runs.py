"""Lists the runs in a directory, or below a prefix in S3: `fanout runs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import print_json, write_out
from fanout.cli.options import from_flags
from fanout.config.flags import REPORT, Sections


@from_flags(REPORT)
def runs(
    *,
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE", help="Directory of runs, or one whose .fanout holds them, or s3://BUCKET/runs/."
        ),
    ] = ".",
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file, for access to runs that are kept in S3."),
    ] = None,
    flags: Sections,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List the runs in a directory, or below a prefix in S3, the oldest first."""
    from fanout.api.verbs import runs as find
    from fanout.cli.status_text import table
    from fanout.commands.find_run import in_s3
    from fanout.config.load import load_config
    from fanout.text import escape

    found = find(place, config=load_config(config, environ=os.environ, flags=flags))
    if not found and not as_json:
        where = (
            "only runs that were started with this --run-dir are below it"
            if in_s3(place)
            else "they are in .fanout beside their outputs, or where run.dir (--run-dir) put them: fanout runs DIR"
        )
        sys.stderr.write(f"fanout: no runs in {escape(place)}: {where}\n")
    if as_json:
        for each in found:
            print_json(each.as_dict())
    else:
        write_out("".join(f"{line}\n" for line in table(found)))
