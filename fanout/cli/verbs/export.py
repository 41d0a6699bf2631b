"""Writes what an unfinished run has collected so far: `fanout export`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fanout.cli.options import RunName


def export(
    run: RunName,
    output: Annotated[str, typer.Option("-o", "--output", help="Parquet file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Write what an unfinished run has collected so far; the run itself is left as it is."""
    from fanout.commands.export import export as export_rows
    from fanout.commands.find_run import find_run
    from fanout.text import count, escape

    rows = export_rows(find_run(run), output, overwrite=overwrite)
    sys.stderr.write(f"{count(rows, 'row')} in {escape(output)}\n")
