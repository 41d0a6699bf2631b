"""Runs an interrupted run to its end: `fanout resume`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import Reporting
from fanout.cli.options import RunName, from_flags
from fanout.config.flags import RESUME, Sections


@from_flags(RESUME)
def resume(
    *,
    run: RunName,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file; may differ in what does not matter to results."),
    ] = None,
    flags: Sections,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Make a new journal first, from the parts and from what stands in S3."
        ),
    ] = False,
    moved: Annotated[
        bool,
        typer.Option(
            "--moved", help="This copy is the only one: no process has used another one since it was made."
        ),
    ] = False,
    reporting: Reporting,
) -> None:
    """Finish an interrupted run: sends nothing that was accepted, and looks before it sends what may have been."""
    from fanout.api.verbs import rebuild as rebuild_journal
    from fanout.api.verbs import resume as resume_to_the_end
    from fanout.api.verbs import take_over
    from fanout.commands.find_run import find_run
    from fanout.config.load import load_config
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory

    reporting.configure_logging()
    run_dir = find_run(run)
    base = None if config else read_manifest(RunDirectory(run_dir)).config
    changed = load_config(config, environ=os.environ, flags=flags, base=base)
    if moved:
        take_over(run_dir)
    if rebuild:
        sys.stderr.write(f"fanout: {rebuild_journal(run_dir)}\n")
    reporting.show(lambda observer: resume_to_the_end(run_dir, observer=observer, config=changed))
