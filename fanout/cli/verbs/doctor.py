"""Says before the first row whether a run can succeed: `fanout doctor`."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import log_to_stderr, print_json, write_out
from fanout.cli.options import from_flags
from fanout.config.flags import RUN, Sections


@from_flags(RUN)
def doctor(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    flags: Sections,
    send: Annotated[
        int, typer.Option("--send", min=0, max=100, metavar="N", help="Send the first N rows through, too.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what is not ok.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens, on stderr.")] = False,
) -> None:
    """Check everything that can be known before the first row of a run: same arguments, nothing is sent.

    Each line is ok, warn or fail, with its remedy. Exit 0 unless a line fails, then 4 (2 for the configuration's own).
    """
    from fanout.config.load import load_config

    loaded = load_config(config, environ=os.environ, flags=flags)
    # Warnings are lines of the result.
    log_to_stderr(form="text", level=None if verbose else "error", verbose=verbose)
    from fanout.cli.doctor_text import lines
    from fanout.cli.startup import load_engine

    load_engine()
    from fanout.commands.doctor.examine import examine
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    examining = functools.partial(examine, loaded, environ=os.environ, send=send)
    report = run_in_event_loop(
        functools.partial(
            until_stopped, examining, next_step="what was made for the checks was removed: start it again"
        )
    )
    if as_json:
        print_json(report.as_dict())
    else:
        write_out("".join(f"{line}\n" for line in lines(report, only_problems=quiet)))
    raise typer.Exit(int(report.exit))
