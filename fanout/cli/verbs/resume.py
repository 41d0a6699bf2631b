"""Runs an interrupted run to its end: `fanout resume`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.asking import at_a_terminal, choose
from fanout.cli.console import Reporting
from fanout.cli.options import RunName, from_flags
from fanout.config.flags import RESUME, Sections

if TYPE_CHECKING:
    from fanout.commands.rebuild import Rebuilt
    from fanout.config.model import Config


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
            "--rebuild",
            help="Make a new journal first, from the parts and from what is in S3; needs --unknown in a script.",
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
    from fanout.api.verbs import resume as resume_to_the_end
    from fanout.api.verbs import take_over
    from fanout.cli.named_run import named
    from fanout.config.load import load_config

    reporting.configure_logging()
    earlier = named(run, config, flags)
    said: list[bool] = []

    def note(values: Sections, _origins: object) -> tuple[str, ...]:
        said.append("unknown" in values.get("collect", {}))
        return ()

    base = None if config else earlier.config
    changed = load_config(config, environ=os.environ, flags=flags, base=base, also=note)
    run_dir = earlier.where
    if isinstance(run_dir, str):
        _refuse_of_a_place(run_dir, rebuild=rebuild, moved=moved)
        reporting.show(lambda observer: resume_to_the_end(run_dir, observer=observer, config=changed))
    if not (moved or rebuild):
        moved, rebuild = _which_copy(run_dir)
    if moved:
        take_over(run_dir)
    if rebuild:
        changed = _rebuild(run_dir, changed, chosen=any(said))
    reporting.show(
        lambda observer: resume_to_the_end(run_dir, observer=observer, config=changed),
        rows_failed_exit=changed.run.rows_failed_exit,
    )


def _refuse_of_a_place(place: str, *, rebuild: bool, moved: bool) -> None:
    """Refuse flags that are for what a disk may lose, or a person may copy.

    Raises:
        UsageError: One is given.
    """
    from fanout.errors import UsageError

    if moved:
        raise UsageError(f"--moved is for run directories: {place} has one owner at a time, wherever that is")
    if rebuild:
        raise UsageError(
            f"--rebuild is for a journal that a disk has lost: that of {place} stands in S3, and is read as it is"
        )


def _which_copy(run_dir: Path) -> tuple[bool, bool]:
    """Return what a person says of a directory that is a copy: whether it was moved, and whether to rebuild."""
    from fanout.rundir.identity import CopiedRun, check_identity
    from fanout.rundir.paths import RunDirectory

    if not at_a_terminal():
        return False, False  # the start itself refuses a copy, and says by which flag to go on
    try:
        check_identity(RunDirectory(run_dir))
    except CopiedRun:
        choices = {
            "moved": "no process has used another copy since: go on (--moved)",
            "used": "a process has used another copy, and none will: look in S3 for what it sent (--rebuild)",
            "leave": "another copy goes on: leave this one",
        }
        answer = choose(f"{run_dir} is a copy, or was moved to another file system. Which is it?", choices)
        if answer == "leave":
            raise
        return answer == "moved", answer == "used"
    return False, False


def _rebuild(run_dir: Path, changed: Config, *, chosen: bool) -> Config:
    """Make a new journal, once it is said what becomes of the rows in doubt; return the configuration that says so."""
    from fanout.api.verbs import draft_rebuild

    draft = draft_rebuild(run_dir)
    try:
        if draft.rebuilt.unknown and not chosen:
            unknown = _choose_unknown(draft.rebuilt, run_dir)
            collect = changed.collect.model_copy(update={"unknown": unknown})
            changed = changed.model_copy(update={"collect": collect})
    except BaseException:
        draft.drop()
        raise
    sys.stderr.write(f"fanout: {draft.place()}\n")
    return changed


def _choose_unknown(rebuilt: Rebuilt, run_dir: Path) -> str:
    """Return what a person says is to become of the rows in doubt.

    Raises:
        UsageError: There is no terminal.
    """
    from fanout.commands.rebuild_choice import CHOICES, in_doubt, not_chosen

    if not at_a_terminal():
        raise not_chosen(rebuilt, str(run_dir))
    return choose(f"{in_doubt(rebuilt)}. What becomes of them?", CHOICES)
