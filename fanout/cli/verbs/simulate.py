"""Serves the local AWS: `fanout simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="TOML file with the simulator's settings.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="One setting, e.g. failure_share=0.01; --set help lists them."
        ),
    ] = None,
) -> None:
    """Serve the local AWS until interrupted; prints one JSON line when it is ready."""
    from fanout.simulator.__main__ import main as serve

    arguments = ["--port", str(port), "--set", "verify_signatures=true"]
    if settings is not None:
        arguments += ["--settings", str(settings)]
    for assignment in assign or []:
        arguments += ["--set", assignment]
    raise typer.Exit(serve(arguments))
