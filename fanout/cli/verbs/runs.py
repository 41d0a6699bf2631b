"""Lists the runs in a directory: `fanout runs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import print_json, write_out


def runs(
    directory: Annotated[Path, typer.Argument(help="Directory whose .fanout holds the runs.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List the runs in a directory, the oldest first."""
    from fanout.cli.status_text import table
    from fanout.commands.status import runs as find
    from fanout.text import escape

    found = find(directory)
    if not found and not as_json:
        sys.stderr.write(
            f"fanout: no runs in {escape(str(directory))}: they stand in .fanout beside their outputs\n"
        )
    if as_json:
        for each in found:
            print_json(each.as_dict())
    else:
        write_out("".join(f"{line}\n" for line in table(found)))
