"""Tells what a run would come to, and sends nothing: `fanout plan`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import Reporting, print_json, write_out
from fanout.cli.options import from_flags
from fanout.config.flags import RUN, Sections


@from_flags(RUN)
def plan(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    service_s: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Seconds that the model takes for a row; by default as in the last run here.",
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="Rows to show as they would be sent.")] = 1,
    flags: Sections,
    reporting: Reporting,
) -> None:
    """Read all of the input as a run would, send nothing, and tell what that run would send, cost and take.

    It takes the arguments of `fanout run`. It exits with 0 if every row would be sent, 3 if some would be rejected, and
    4 if the endpoint would take none.
    """
    from fanout.cli.startup import load_engine
    from fanout.config.load import load_config

    loaded = load_config(config, environ=os.environ, flags=flags)
    reporting.configure_logging()
    load_engine()
    from fanout.api.verbs import plan as plan_run

    found = plan_run(loaded, service_s=service_s, show=show)
    if reporting.as_json:
        print_json(found.as_dict())
    elif not reporting.quiet:
        from fanout.cli.plan_text import describe

        write_out(f"{describe(found)}\n")
    raise typer.Exit(int(found.exit))
