"""Runs the paired experiment, from its flags to its exit code: `fanout bench`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import log_to_stderr, observer_on, print_json
from fanout.cli.options import from_flags
from fanout.config.flags import BENCH, Sections
from fanout.errors import UsageError


@from_flags(BENCH)
def bench(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file, as for run.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Directory for bench.parquet and bench.json; default bench-SEED."
        ),
    ] = None,
    flags: Sections,
    until: Annotated[
        str | None,
        typer.Option(metavar="2ms", help="Stop once every size is known to within this, such as 2ms."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="BENCH.JSON", help="An earlier result to compare with.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with 3 if it holds: 'invoke.p99 > 80ms', 's3.total.p50@64KB > baseline + 10%', "
            "'failures > 5%' (1% by default), worse.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json on stdout.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print nothing on stderr but why it failed.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more of what happens.")] = False,
) -> None:
    """Send each payload both ways, inline and via S3, and tell which is faster, by how much, and how surely."""
    from rich.console import Console

    from fanout.bench.experiment import ask
    from fanout.bench.experiment import bench as experiment
    from fanout.bench.settings import DOCUMENT
    from fanout.bench.text import print_failures, print_result
    from fanout.config.load import load_config

    if until is not None:
        flags.setdefault("bench", {})["until_ms"] = _milliseconds(until)
    loaded = load_config(config, environ=os.environ, flags=flags)
    questions = ask(fail_if or [], baseline, config=loaded)
    log_to_stderr(form="text", level=None, verbose=verbose)
    chosen = loaded.run.seed or 0
    directory = output or Path(f"bench-{chosen}")
    console = Console(stderr=True)
    result = experiment(
        loaded,
        directory,
        seed=chosen,
        questions=questions,
        observer=observer_on(console, quiet=quiet),
        overwrite=overwrite,
    )
    if quiet:
        print_failures(result, console)
    else:
        print_result(result, console, document=directory / DOCUMENT)
    if as_json:
        print_json(result.as_dict())
    raise typer.Exit(int(result.exit))


def _milliseconds(text: str) -> float:
    from fanout.analysis.units import parse_duration

    found = parse_duration(text)
    if found is None:
        raise UsageError(f"--until {text!r}: is not a duration with its unit, such as 2ms")
    return found
