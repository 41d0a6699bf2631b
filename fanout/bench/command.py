"""`fanout bench` as typer sees it: parses, hands over, prints, and leaves with the exit code. Imports late."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


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
    endpoint: Annotated[str | None, typer.Option(help="Name of the asynchronous endpoint.")] = None,
    local: Annotated[
        bool | None, typer.Option("--local", help="Against the local AWS, with a simulated network.")
    ] = None,
    input_prefix: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix for the payloads that go by S3.")
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
    payload_fields: Annotated[
        str | None, typer.Option(help="These columns (a,b) are the payload, as one JSON object.")
    ] = None,
    content_type: Annotated[str | None, typer.Option(help="Content type of every payload.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight at most.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens besides.")] = False,
) -> None:
    """Send each payload both ways, inline and by S3, and tell which is faster, by how much, and how surely."""
    from rich.console import Console  # noqa: PLC0415 - late: --help must answer at once

    from fanout.bench.experiment import ask  # noqa: PLC0415 - late: the engine
    from fanout.bench.experiment import bench as experiment  # noqa: PLC0415 - late: the engine
    from fanout.bench.settings import DOCUMENT  # noqa: PLC0415 - late: pydantic
    from fanout.bench.text import print_result  # noqa: PLC0415 - late: the engine
    from fanout.config import load_config  # noqa: PLC0415 - late: pydantic
    from fanout.logs import configure  # noqa: PLC0415 - late: the engine
    from fanout.progress import LiveLine, Observer, PlainLines, Quiet  # noqa: PLC0415 - late: rich

    flags = {
        "input": {"paths": inputs or None, "limit": limit},
        "endpoint": {"name": endpoint, "region": region, "profile": profile},
        "payload": {"column": payload_column, "fields": _names(payload_fields), "content_type": content_type},
        "transport": {"input_prefix": input_prefix, "concurrency": concurrency},
        "bench": {
            "rate": rate,
            "arrivals": arrivals,
            "closed": closed,
            "sizes": _names(sizes),
            "pairs": pairs,
            "warmup": warmup,
            "until_ms": _milliseconds(until),
        },
        "run": {"seed": seed},
        "local": {"enabled": local},
    }
    loaded = load_config(config, environ=os.environ, flags=flags)
    questions = ask(fail_if or [], baseline)
    configure(level="info" if verbose else None, form="text")
    chosen = loaded.run.seed or 0
    directory = output or Path(f"bench-{chosen}")
    console = Console(stderr=True)
    observer: Observer = LiveLine(console) if console.is_terminal else PlainLines(console)
    result = experiment(
        loaded,
        directory,
        seed=chosen,
        questions=questions,
        observer=Quiet() if quiet else observer,
        overwrite=overwrite,
    )
    if not quiet:
        print_result(result, console, document=directory / DOCUMENT)
    if as_json:
        import orjson  # noqa: PLC0415 - late, as above

        sys.stdout.write(orjson.dumps(result.as_dict()).decode() + "\n")
    raise typer.Exit(int(result.exit))


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] if text is not None else None


def _milliseconds(text: str | None) -> float | None:
    if text is None:
        return None
    from fanout.bench.units import parse_duration  # noqa: PLC0415 - late, as above
    from fanout.errors import UsageError  # noqa: PLC0415 - late, as above

    found = parse_duration(text)
    if found is None:
        raise UsageError(f"--until {text!r}: is not a duration with its unit, such as 2ms")
    return found
