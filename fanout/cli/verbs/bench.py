"""`fanout bench`: the paired experiment, from its flags to its exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.console import log_to_stderr, observer_on, print_json
from fanout.cli.options import ContentType, Endpoint, PayloadFields, Profile, Region, names
from fanout.errors import UsageError


def bench(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="A dataset whose rows are sent both ways; by default, payloads of our own making.",
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file, as for run.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Directory for bench.parquet and bench.json; default bench-SEED."
        ),
    ] = None,
    endpoint: Endpoint = None,
    local: Annotated[
        bool | None, typer.Option("--local", help="Against the local AWS, with a simulated network.")
    ] = None,
    input_prefix: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix for the payloads that go via S3.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests due a second, both ways together; default 40.")
    ] = None,
    arrivals: Annotated[str | None, typer.Option(help="poisson (default) or constant.")] = None,
    closed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Closed loop: N rows open at once, the next when one has ended."),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Payload sizes; default 1KB,8KB,32KB,64KB,127999,128000.")
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Pairs of each size; default 150.")] = None,
    warmup: Annotated[int | None, typer.Option(help="Pairs before those that count; default 60.")] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="2ms", help="Stop once every size's interval reaches no further than this."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Rows of the dataset to read at most.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of orders, arrivals and the local AWS; default 0.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="BENCH.JSON", help="An earlier result to compare with.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with 3 if it holds: 'invoke.p99 > 80ms', 's3.total.p50@64KB > baseline * 1.1', worse.",
        ),
    ] = None,
    payload_column: Annotated[
        str | None, typer.Option(help="This column of the dataset, verbatim, is the payload.")
    ] = None,
    payload_fields: PayloadFields = None,
    content_type: ContentType = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight at most.")] = None,
    region: Region = None,
    profile: Profile = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens besides.")] = False,
) -> None:
    """Send each payload both ways, inline and via S3, and tell which is faster, by how much, and how surely."""
    from rich.console import Console

    from fanout.bench.experiment import ask
    from fanout.bench.experiment import bench as experiment
    from fanout.bench.settings import DOCUMENT
    from fanout.bench.text import print_result
    from fanout.config.load import load_config

    flags = {
        "input": {"paths": inputs or None, "limit": limit},
        "endpoint": {"name": endpoint, "region": region, "profile": profile},
        "payload": {"column": payload_column, "fields": names(payload_fields), "content_type": content_type},
        "transport": {"input_prefix": input_prefix, "concurrency": concurrency},
        "bench": {
            "rate": rate,
            "arrivals": arrivals,
            "closed": closed,
            "sizes": names(sizes),
            "pairs": pairs,
            "warmup": warmup,
            "until_ms": _milliseconds(until),
        },
        "run": {"seed": seed},
        "local": {"enabled": local},
    }
    loaded = load_config(config, environ=os.environ, flags=flags)
    questions = ask(fail_if or [], baseline)
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
    if not quiet:
        print_result(result, console, document=directory / DOCUMENT)
    if as_json:
        print_json(result.as_dict())
    raise typer.Exit(int(result.exit))


def _milliseconds(text: str | None) -> float | None:
    if text is None:
        return None
    from fanout.analysis.units import parse_duration

    found = parse_duration(text)
    if found is None:
        raise UsageError(f"--until {text!r}: is not a duration with its unit, such as 2ms")
    return found
