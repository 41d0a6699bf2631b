"""Lists what runs that are gone left in the account, or removes it: `fanout gc`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.options import from_flags
from fanout.config.flags import GC, Sections

if TYPE_CHECKING:
    from fanout.commands.gc import Cleared


@from_flags(GC)
def gc(
    *,
    flags: Sections,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="TOML file; names the account, as for a run.")
    ] = None,
    run_dir: Annotated[
        list[str] | None,
        typer.Option(
            "--run-dir",
            help="Look here, too: a run's directory, a directory of runs, or s3://BUCKET/runs/; may be repeated.",
        ),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="AGE", help="Only of runs that were silent this long: 90s, 15m, 12h, 1d."
        ),
    ] = "1d",
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            help="Remove places in S3 of runs that could be resumed, too: their results are lost.",
        ),
    ] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is marked for removal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no table.")] = False,
) -> None:
    """List queues, subscriptions, uploads, claims and places of runs that are gone; remove them with --delete.

    Nothing of a run that lives, or may live, is touched, and nothing that is not certainly a run's.
    """
    from fanout.cli.console import print_json, write_out
    from fanout.cli.leftovers_text import summed_up, table
    from fanout.commands.gc import age_s, collect_garbage
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped
    from fanout.text import escape

    older_than_s = age_s(older_than)
    loaded = load_config(config, environ=os.environ, flags=flags)

    async def go() -> Cleared:
        return await collect_garbage(
            loaded,
            run_dirs=run_dir or [],
            older_than_s=older_than_s,
            mode="delete" if delete else "list",
            unfinished="give up" if unfinished else "keep",
        )

    again = "what was removed is gone: start it again for the rest"
    cleared = run_in_event_loop(lambda: until_stopped(go, next_step=again))
    if as_json:
        print_json(cleared.as_dict())
    elif not quiet:
        write_out("".join(f"{line}\n" for line in table(cleared.leftovers)))
    for said in cleared.unseen if quiet else (*cleared.unseen, summed_up(cleared)):
        sys.stderr.write(f"fanout: {escape(said)}\n")
    raise typer.Exit(int(cleared.exit))
