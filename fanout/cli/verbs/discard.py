"""Gives an unfinished run up: `fanout discard`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.options import RunName

if TYPE_CHECKING:
    from fanout.commands.discard import Discard


def discard(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was removed as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Say nothing of what goes; needs --yes.")
    ] = False,
) -> None:
    """Give an unfinished run up: remove its queue, its uploads and its directory. An output that is there stays."""
    from fanout.cli.console import print_json
    from fanout.cli.leftovers_text import given_up
    from fanout.commands.discard import discard as give_up
    from fanout.commands.find_run import find_run
    from fanout.config.load import load_config
    from fanout.errors import UsageError
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory
    from fanout.text import escape

    run_dir = find_run(run)

    def agree(plan: Discard) -> None:
        asks = not yes and not quiet and plan.state != "finished" and _at_a_terminal()
        if not quiet:
            sys.stderr.write("".join(f"{line}\n" for line in given_up(plan)))
        if yes:
            return
        if plan.state == "finished":
            raise UsageError(
                f"the run has finished: nothing is left to discard but its directory, {run_dir}: "
                f"`fanout discard {run_dir} --yes` removes that, and its output stays"
            )
        if not asks:
            raise UsageError("nothing was removed: --yes says that all of this is to go")
        if not typer.confirm("Remove all of this?", err=True):
            raise UsageError("nothing was removed")

    directory = RunDirectory(run_dir)
    config = None
    if directory.manifest.exists():
        config = load_config(environ=os.environ, base=read_manifest(directory).config)
    gone = give_up(run_dir, config=config, agree=agree)
    for path in gone.strangers:
        sys.stderr.write(f"fanout: {escape(str(path))} is not the run's and stays\n")
    if not quiet:
        sys.stderr.write(f"fanout: the run in {escape(str(gone.run_dir))} is given up\n")
    if as_json:
        print_json(gone.as_dict())


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
