"""Stops all shards of a run: `fanout cancel`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.options import RunName, from_flags
from fanout.config.flags import REPORT, Sections


@from_flags(REPORT)
def cancel(
    *,
    run: RunName,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file, for access to a run that is kept in S3."),
    ] = None,
    flags: Sections,
) -> None:
    """Stop all shards of a run in order, wherever they are; `fanout resume` goes on with it."""
    from fanout.commands.cancel import cancel as cancel_run
    from fanout.commands.find_run import find_run, in_s3
    from fanout.config.load import load_config
    from fanout.text import count, escape, quoted

    if in_s3(run):
        from fanout.commands.cancel_place import cancel_at
        from fanout.commands.find_place import ask, named_run

        session = load_config(config, environ=os.environ, flags=flags)
        where = named_run(run, session)
        found = (
            cancel_run(where)
            if isinstance(where, Path)
            else ask(session, lambda opened: cancel_at(opened, where))
        )
        path = str(where)
    else:
        path = str(find_run(run))
        found = cancel_run(Path(path))
    sys.stderr.write(
        f"cancelled: {count(found.running, 'shard')} at work stop in order, {found.finished} of {found.shards} had "
        f"finished; `fanout resume {escape(quoted(path))}` goes on\n"
    )
