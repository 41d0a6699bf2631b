"""The command line: parses, hands a `Config` to `run`, prints, and leaves with the designed exit code.

stdout is the machine's, stderr is the person's. Everything heavy is imported by the command that needs it, so that
`--help` answers at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from fanout import __version__
from fanout.bench.command import bench
from fanout.errors import Exit, RunError
from fanout.report.command import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.progress import Observer
    from fanout.summary import Summary

app = typer.Typer(
    name="fanout",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would cost 100 ms of every --help
    help="Send a dataset to an Amazon SageMaker asynchronous inference endpoint; get one Parquet file back.",
)

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

EXIT_CODES = """Exit codes: 0 every row succeeded; 1 a bug; 2 usage or configuration; 3 finished, some rows failed;
4 a precondition on AWS (endpoint, permission, queue); 5 journal locked or damaged; 6 storage full; 7 deadline reached;
75 interrupted."""


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's signature
    if asked:
        typer.echo(f"fanout {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Send a dataset to an Amazon SageMaker asynchronous inference endpoint; get one Parquet file back."""


@app.command(epilog=EXIT_CODES, short_help="Send every row to an endpoint; write one Parquet file.")
def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Files, directories, globs, s3:// locations, or - for stdin."),
    ] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="Parquet file to write; with a slash at its end, a dataset."),
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Name of the asynchronous endpoint.")] = None,
    local: Annotated[
        bool | None, typer.Option("--local", help="Run against the local AWS that ships with fanout.")
    ] = None,
    transport: Annotated[str | None, typer.Option(help="auto, inline or s3.")] = None,
    input_prefix: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix for payloads that are too large to go inline.")
    ] = None,
    keep_inputs: Annotated[
        bool | None, typer.Option("--keep-inputs", help="Leave uploaded payloads in S3.")
    ] = None,
    kms_key_id: Annotated[str | None, typer.Option(help="KMS key that encrypts uploaded payloads.")] = None,
    payload_column: Annotated[
        str | None, typer.Option(help="This column, verbatim, is the payload (bytes or text).")
    ] = None,
    payload_fields: Annotated[
        str | None, typer.Option(help="These columns (a,b) are the payload, as one JSON object.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column that becomes `id` in the output.")] = None,
    location_column: Annotated[
        str | None, typer.Option(help="Column that names an s3:// object to send instead of a payload.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Columns (a,b) to copy into the output.")] = None,
    content_type: Annotated[str | None, typer.Option(help="Content type of every payload.")] = None,
    content_type_column: Annotated[str | None, typer.Option(help="Column that holds each row's.")] = None,
    accept: Annotated[str | None, typer.Option(help="Content type asked of the model.")] = None,
    custom_attributes: Annotated[str | None, typer.Option(help="Handed to the model with every row.")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds a row may wait in the endpoint's queue.")] = None,
    invocation_timeout: Annotated[
        int | None, typer.Option(help="Seconds the model may take for a row.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a second, never exceeded.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight at once.")] = None,
    window: Annotated[int | None, typer.Option(help="Rows open at once, sent and not finished.")] = None,
    limit: Annotated[int | None, typer.Option(help="Rows to read at most.")] = None,
    max_failures: Annotated[int | None, typer.Option(help="Stop after more failed rows than this.")] = None,
    queue_url: Annotated[
        str | None, typer.Option(help="SQS queue to listen to; by default one is made.")
    ] = None,
    no_notifications: Annotated[
        bool | None, typer.Option("--no-notifications", help="Find results by listing S3.")
    ] = None,
    trust_responses: Annotated[
        bool | None, typer.Option("--trust-responses", help="Take responses out of notifications.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (exit 7), resumable.")
    ] = None,
    grace: Annotated[
        float | None, typer.Option(help="Seconds to collect what the endpoint has, once stopped.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes of this machine that share the run; 1 by default.")
    ] = None,
    run_dir: Annotated[str | None, typer.Option(help="Directory of the run's own files.")] = None,
    metrics_port: MetricsPort = None,
    metrics_textfile: MetricsTextfile = None,
    pushgateway: Pushgateway = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table on stderr.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Log what happens besides, on stderr.")
    ] = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = None,
) -> None:
    """Send every row of the input to an endpoint and write one Parquet file.

    Flags override FANOUT_* variables (FANOUT_PACING_RATE=200), which override the TOML file.
    """
    flags = {
        "input": {"paths": list(inputs) if inputs else None, "limit": limit},
        "endpoint": {"name": endpoint, "region": region, "profile": profile},
        "payload": {
            "column": payload_column,
            "fields": _names(payload_fields),
            "content_type": content_type,
            "accept": accept,
            "custom_attributes": custom_attributes,
            "ttl_s": ttl,
            "invocation_timeout_s": invocation_timeout,
        },
        "columns": {
            "id": id_column,
            "keep": _names(keep),
            "location": location_column,
            "content_type": content_type_column,
        },
        "transport": {
            "mode": transport,
            "input_prefix": input_prefix,
            "keep_inputs": keep_inputs,
            "kms_key_id": kms_key_id,
            "concurrency": concurrency,
        },
        "pacing": {"rate": rate, "window": window},
        "collect": {
            "queue_url": queue_url,
            "notifications": False if no_notifications else None,
            "trust_responses": trust_responses,
        },
        "output": {"path": output, "overwrite": overwrite},
        "run": {
            "dir": run_dir,
            "processes": processes,
            "max_failures": max_failures,
            "deadline_s": deadline,
            "grace_s": grace,
        },
        "local": {"enabled": local},
        "metrics": {"port": metrics_port, "textfile": metrics_textfile, "pushgateway": pushgateway},
    }
    from fanout.config import load_config  # noqa: PLC0415 - pydantic

    loaded = load_config(config, environ=os.environ, flags=flags)
    _log_to_stderr(form=log_format, level=log_level, verbose=verbose)
    from fanout.start import run as run_to_the_end  # noqa: PLC0415 - late, like everything here

    _show(lambda observer: run_to_the_end(loaded, observer=observer), quiet=quiet, as_json=as_json)


def _show(go: Callable[[Observer], Summary], *, quiet: bool, as_json: bool) -> NoReturn:
    """Let `go` run under the eyes of a person or a log, print what came of it, and leave."""
    from rich.console import Console  # noqa: PLC0415 - late, like everything here

    from fanout.logs import is_json  # noqa: PLC0415 - see above
    from fanout.progress import LiveLine, LogLines, PlainLines, Quiet  # noqa: PLC0415 - see above
    from fanout.table import headline, print_summary  # noqa: PLC0415 - see above

    console = Console(stderr=True)
    observer: Observer = LiveLine(console) if console.is_terminal else PlainLines(console)
    if is_json():
        observer = LogLines()
    summary = go(Quiet() if quiet else observer)
    if is_json():
        extra = {"exit_code": int(summary.exit)}
        logging.getLogger("fanout").info("%s: %s", summary.output, headline(summary), extra=extra)
    elif not quiet:
        print_summary(summary, console)
    if as_json:
        sys.stdout.write(_json(summary.as_dict()) + "\n")
    raise typer.Exit(int(summary.exit))


@app.command(short_help="Serve the local AWS that ships with fanout, for your tests.")
def simulate(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="TOML file with the simulator's settings.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. failure_share=0.01."),
    ] = None,
) -> None:
    """Serve the local AWS until interrupted; prints one JSON line when it is ready."""
    from fanout.simulator.__main__ import main as serve  # noqa: PLC0415 - late, like everything here

    arguments = ["--port", str(port), "--set", "verify_signatures=true"]
    if settings is not None:
        arguments += ["--settings", str(settings)]
    for assignment in assign or []:
        arguments += ["--set", assignment]
    raise typer.Exit(serve(arguments))


@app.command(epilog=EXIT_CODES, short_help="Finish an interrupted run, and send nothing twice.")
def resume(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run: .fanout/<run> beside its output.")],
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file; may differ in what does not matter to results."),
    ] = None,
    unknown: Annotated[
        str | None,
        typer.Option(
            help="Rows that may have been sent: resend (look first), wait (for their deadline), or never."
        ),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Make a new journal first, from the parts and from what stands in S3."
        ),
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Requests a second, never exceeded.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight at once.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Stop after this many seconds (exit 7).")] = None,
    metrics_port: MetricsPort = None,
    metrics_textfile: MetricsTextfile = None,
    pushgateway: Pushgateway = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table on stderr.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Log what happens besides, on stderr.")
    ] = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = None,
) -> None:
    """Finish an interrupted run: sends nothing that was accepted, and looks before it sends what may have been."""
    from fanout.config import load_config  # noqa: PLC0415 - pydantic
    from fanout.rundir import RunDirectory, read_manifest  # noqa: PLC0415 - pyarrow
    from fanout.start import rebuild as rebuild_journal  # noqa: PLC0415 - see above
    from fanout.start import resume as resume_to_the_end  # noqa: PLC0415 - see above

    flags = {
        "transport": {"concurrency": concurrency},
        "pacing": {"rate": rate},
        "collect": {"unknown": unknown},
        "output": {"overwrite": overwrite},
        "run": {"deadline_s": deadline},
        "metrics": {"port": metrics_port, "textfile": metrics_textfile, "pushgateway": pushgateway},
    }
    _log_to_stderr(form=log_format, level=log_level, verbose=verbose)
    base = None if config else read_manifest(RunDirectory(run_dir)).config
    changed = load_config(config, environ=os.environ, flags=flags, base=base)
    if rebuild:
        sys.stderr.write(f"fanout: {rebuild_journal(run_dir)}\n")
    _show(
        lambda observer: resume_to_the_end(run_dir, observer=observer, changed=changed),
        quiet=quiet,
        as_json=as_json,
    )


@app.command(epilog=EXIT_CODES, short_help="Send the rows of a finished run that failed once more.")
def retry(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Parquet file to write, of the retried rows alone.")
    ],
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="TOML file; the input must be the same.")
    ] = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table on stderr.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Log what happens besides, on stderr.")
    ] = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = None,
) -> None:
    """Send the rows of a finished run that did not succeed once more, as a new run; joins with the first on `row`."""
    from fanout.config import load_config  # noqa: PLC0415 - pydantic
    from fanout.rundir import RunDirectory, read_manifest  # noqa: PLC0415 - pyarrow
    from fanout.start import retry as retry_rows  # noqa: PLC0415 - see above

    _log_to_stderr(form=log_format, level=log_level, verbose=verbose)
    base = None if config else read_manifest(RunDirectory(run_dir)).config
    flags = {"output": {"overwrite": overwrite}}
    changed = load_config(config, environ=os.environ, flags=flags, base=base)
    _show(
        lambda observer: retry_rows(run_dir, output, observer=observer, changed=changed),
        quiet=quiet,
        as_json=as_json,
    )


@app.command(short_help="Write what an unfinished run has collected so far.")
def export(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Parquet file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Write what an unfinished run has collected so far; the run itself is left as it is."""
    from fanout.export import export as export_rows  # noqa: PLC0415 - late, like everything here

    rows = export_rows(run_dir, output, overwrite=overwrite)
    sys.stderr.write(f"{rows:,} rows in {output}\n")


@app.command(short_help="Say where a run stands, and what to do next.")
def status(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run: .fanout/<run> beside its output.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where a run stands, live or dead, and what to do next; disturbs nothing."""
    from fanout.standing import standing  # noqa: PLC0415 - late, like everything here
    from fanout.standing_text import describe  # noqa: PLC0415 - see above

    found = standing(run_dir)
    sys.stdout.write((_json(found.as_dict()) if as_json else describe(found)) + "\n")


@app.command()
def runs(
    directory: Annotated[Path, typer.Argument(help="Directory whose .fanout holds the runs.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """List the runs in a directory, the oldest first."""
    from fanout.standing import runs as find  # noqa: PLC0415 - late, like everything here
    from fanout.standing_text import table  # noqa: PLC0415 - see above

    found = find(directory)
    if not found and not as_json:
        sys.stderr.write(f"fanout: no runs in {directory}: they stand in .fanout beside their outputs\n")
    lines = [_json(each.as_dict()) for each in found] if as_json else table(found)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


app.command(epilog=EXIT_CODES, short_help="Send payloads inline and by S3, and tell which is faster.")(bench)
app.command(epilog=EXIT_CODES, short_help="Tell what came of a run: counts, errors, latencies, cost.")(report)


def _json(content: dict[str, Any]) -> str:
    import orjson  # noqa: PLC0415 - late, like everything here

    return orjson.dumps(content).decode()


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] if text is not None else None


def _log_to_stderr(*, form: str, level: str | None, verbose: bool) -> None:
    from fanout.logs import configure  # noqa: PLC0415 - late, like everything here

    configure(level=level or ("info" if verbose else None), form=form)


def _report(error: RunError) -> int:
    from fanout.logs import escape, is_json  # noqa: PLC0415 - late, like everything here

    if is_json():
        logging.getLogger("fanout").error("%s", error, extra={"exit_code": int(error.exit)})
    else:
        sys.stderr.write(f"fanout: {escape(str(error))}\n")
    return int(error.exit)


def _speak_utf8() -> None:
    """Have no text fail for the locale: a file or a pipe gets UTF-8, a terminal escapes what it cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the one place where errors become exit codes."""
    _speak_utf8()
    try:
        code: Any = app(arguments, standalone_mode=False)
    except RunError as error:
        sys.exit(_report(error))
    except KeyboardInterrupt:
        sys.stderr.write("fanout: interrupted\n")
        sys.exit(int(Exit.INTERRUPTED))
    except BrokenPipeError:  # whoever read our stdout has gone; what was asked for is done
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.OK))
    except typer.Abort:
        sys.exit(int(Exit.INTERRUPTED))
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            sys.exit(int(Exit.USAGE))
        raise
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
