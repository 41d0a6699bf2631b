"""Writes what an unfinished run has collected so far: `fanout export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def export(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Parquet file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Write what an unfinished run has collected so far; the run itself is left as it is."""
    from fanout.commands.export import export as export_rows
    from fanout.text import count, escape

    rows = export_rows(run_dir, output, overwrite=overwrite)
    sys.stderr.write(f"{count(rows, 'row')} in {escape(output)}\n")
