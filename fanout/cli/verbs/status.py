"""Prints where a run stands: `fanout status`."""

from __future__ import annotations

from typing import Annotated

import typer

from fanout.cli.console import print_json, write_out
from fanout.cli.options import RunName


def status(
    run: RunName,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where a run stands, live or dead, and what to do next; disturbs nothing."""
    from fanout.cli.status_text import describe
    from fanout.commands.find_run import find_run
    from fanout.commands.status import run_status

    found = run_status(find_run(run))
    if as_json:
        print_json(found.as_dict())
    else:
        write_out(f"{describe(found)}\n")
