"""Makes one output of the shards of a run: `fanout merge`."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.console import Reporting
from fanout.cli.options import RunName, from_flags
from fanout.config.flags import REPORT, Sections

if TYPE_CHECKING:
    from fanout.config.model import Config


@from_flags(REPORT)
def merge(
    *,
    run: RunName,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file, for access to a run that is kept in S3."),
    ] = None,
    flags: Sections,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Output, in place of the one that the run was started with."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write the shards that have finished, to another output.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    rows_failed_exit: Annotated[
        int, typer.Option("--rows-failed-exit", help="Exit code where some rows failed; 3 by default.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No table on stderr.")] = False,
) -> None:
    """Make one output of the shards of a run; exit 75 while one of them has not finished."""
    from fanout.config.load import load_config
    from fanout.errors import UsageError
    from fanout.text import count, escape

    session = load_config(config, environ=os.environ, flags=flags)
    if partial:
        if output is None:
            raise UsageError("--partial: name another output with -o, as the run's own is for all shards")
        rows, missing = _merge_some(run, output, overwrite=overwrite, config=session)
        named = ", ".join(map(str, missing[:20])) + (", …" if len(missing) > 20 else "")
        lacks = f"; without shards {named}" if missing else ""
        sys.stderr.write(f"{count(rows, 'row')} in {escape(output)}{lacks}\n")
        return
    from fanout.api.verbs import merge as merge_all

    reporting = Reporting(as_json=as_json, quiet=quiet)
    reporting.configure_logging()
    go = functools.partial(merge_all, run, output=output, overwrite=overwrite, config=session)
    reporting.show(lambda _: go(), rows_failed_exit=rows_failed_exit)


def _merge_some(run: str, output: str, *, overwrite: bool, config: Config) -> tuple[int, list[int]]:
    """Write the rows of the shards that have finished; return how many, and which shards are missing."""
    from fanout.commands.find_run import find_run, in_s3
    from fanout.commands.merge import merge_some

    if not in_s3(run):
        written, missing = merge_some(find_run(run), output, overwrite=overwrite)
        return written.rows, missing
    from fanout.commands.find_place import named_run
    from fanout.commands.merge_place import merge_some_at
    from fanout.runtime.event_loop import run_in_event_loop
    from fanout.runtime.supervisor import until_stopped

    where = named_run(run, config)
    if isinstance(where, Path):
        written, missing = merge_some(where, output, overwrite=overwrite)
        return written.rows, missing
    call = functools.partial(merge_some_at, where, output, session=config, overwrite=overwrite)
    written, missing = run_in_event_loop(functools.partial(until_stopped, call, next_step="merge it again"))
    return written.rows, missing
