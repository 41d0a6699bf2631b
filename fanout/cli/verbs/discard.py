"""Gives an unfinished run up: `fanout discard`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.asking import at_a_terminal
from fanout.cli.options import RunName
from fanout.text import quoted

if TYPE_CHECKING:
    from fanout.commands.discard import Discard


def discard(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was removed as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print nothing of what is removed; needs --yes.")
    ] = False,
) -> None:
    """Give an unfinished run up: remove its queue, its uploads and its directory. An output that is there stays."""
    from fanout.cli.console import print_json
    from fanout.cli.leftovers_text import given_up
    from fanout.commands.discard import discard as give_up
    from fanout.commands.find_run import find_run, in_s3
    from fanout.config.load import load_config
    from fanout.errors import UsageError
    from fanout.rundir.manifest import read_manifest
    from fanout.rundir.paths import RunDirectory
    from fanout.text import escape

    place, run_dir = None, Path(run)
    if in_s3(run):
        from fanout.commands.find_place import named_run

        where = named_run(run, load_config(environ=os.environ))
        run_dir, place = (where, None) if isinstance(where, Path) else (run_dir, where)
    else:
        run_dir = find_run(run)
    name = run_dir if place is None else place.uri

    def agree(plan: Discard) -> None:
        asks = not yes and not quiet and plan.state != "finished" and at_a_terminal()
        if not quiet:
            sys.stderr.write("".join(f"{line}\n" for line in given_up(plan)))
        if yes:
            return
        if plan.state == "finished":
            raise UsageError(
                f"the run has finished: nothing is left to discard but its directory, {name}: "
                f"`fanout discard {quoted(name)} --yes` removes that, and its output stays"
            )
        if not asks:
            raise UsageError("nothing was removed: add --yes to remove all of this")
        if not typer.confirm("Remove all of this?", err=True):
            raise UsageError("nothing was removed")

    if place is not None:
        from fanout.commands.discard_place import discard_place
        from fanout.commands.find_place import manifest_at

        base = manifest_at(place, load_config(environ=os.environ)).config
        gone = discard_place(place, config=load_config(environ=os.environ, base=base), agree=agree)
    else:
        directory = RunDirectory(run_dir)
        config = None
        if directory.manifest.exists():
            config = load_config(environ=os.environ, base=read_manifest(directory).config)
        gone = give_up(run_dir, config=config, agree=agree)
    for path in gone.strangers:
        sys.stderr.write(f"fanout: {escape(str(path))} is not the run's and stays\n")
    if not quiet:
        sys.stderr.write(f"fanout: the run in {escape(str(gone.run_dir))} was discarded\n")
    if as_json:
        print_json(gone.as_dict())
