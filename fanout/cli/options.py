"""The flags that several verbs share, as typer sees them: one name, one type and one sentence of help each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunDir = Annotated[Path, typer.Argument(help="Directory of the run: .fanout/<run> beside its output.")]

Endpoint = Annotated[str | None, typer.Option(help="Name of the asynchronous endpoint.")]
Region = Annotated[str | None, typer.Option(help="AWS region.")]
Profile = Annotated[str | None, typer.Option(help="AWS profile.")]
PayloadFields = Annotated[
    str | None, typer.Option(help="These columns (a,b) are the payload, as one JSON object.")
]
ContentType = Annotated[str | None, typer.Option(help="Content type of every payload.")]
Rate = Annotated[float | None, typer.Option(help="Requests a second, never exceeded.")]
Concurrency = Annotated[int | None, typer.Option(help="Requests in flight at once.")]

MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", help="Serve Prometheus metrics on 127.0.0.1 while it runs; 0 picks."),
]
MetricsTextfile = Annotated[
    str | None, typer.Option("--metrics-textfile", help="Write them to this .prom file (node_exporter).")
]
Pushgateway = Annotated[
    str | None, typer.Option("--pushgateway", help="Push them to this gateway at the end.")
]

Overwrite = Annotated[bool | None, typer.Option("--overwrite", help="Replace an output that exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table on stderr.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens besides, on stderr.")]
LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format", envvar="FANOUT_LOG_FORMAT", help="text, or json: one object a line on stderr."
    ),
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        "--log-level", envvar="FANOUT_LOG_LEVEL", help="debug (a line a row), info, warning or error."
    ),
]


def names(text: str | None) -> list[str] | None:
    """Return what a flag lists, split at its commas; None for a flag that was not given."""
    return [name.strip() for name in text.split(",") if name.strip()] if text is not None else None
