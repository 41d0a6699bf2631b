"""Gathers the verbs of `fanout`, and is the only module that turns errors into exit codes."""

from __future__ import annotations

import sys
from copy import copy
from typing import Annotated, Any

import typer

from fanout._version import __version__
from fanout.cli import malloc as allocators
from fanout.cli.console import discard_stdout, open_descriptors, report_error, speak_utf8
from fanout.cli.startup import called
from fanout.cli.verbs.bench import bench
from fanout.cli.verbs.discard import discard
from fanout.cli.verbs.doctor import doctor
from fanout.cli.verbs.export import export
from fanout.cli.verbs.gc import gc
from fanout.cli.verbs.infra import infra
from fanout.cli.verbs.plan import plan
from fanout.cli.verbs.report import report
from fanout.cli.verbs.resume import resume
from fanout.cli.verbs.retry import retry
from fanout.cli.verbs.run import run
from fanout.cli.verbs.runs import runs
from fanout.cli.verbs.simulate import simulate
from fanout.cli.verbs.status import status
from fanout.errors import Exit, RunError

app = typer.Typer(
    name="fanout",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would cost 100 ms of every --help
    help="Send a dataset to an Amazon SageMaker asynchronous inference endpoint; get one Parquet file back.",
)

# What newer versions of typer return for a KeyboardInterrupt; older ones let it through.
_TYPER_INTERRUPTED = 130
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


app.command(epilog=EXIT_CODES, short_help="Send every row to an endpoint; write one Parquet file.")(run)
app.command(epilog=EXIT_CODES, short_help="Tell what a run would send, cost and take; send nothing.")(plan)
app.command(epilog=EXIT_CODES, short_help="Say what is missing for a run, before its first row.")(doctor)
app.command(short_help="Serve the local AWS that ships with fanout, for your tests.")(simulate)
app.command(epilog=EXIT_CODES, short_help="Finish an interrupted run, and send nothing twice.")(resume)
app.command(epilog=EXIT_CODES, short_help="Send the rows of a finished run that failed once more.")(retry)
app.command(short_help="Write what an unfinished run has collected so far.")(export)
app.command(short_help="Say where a run stands, and what to do next.")(status)
app.command()(runs)
app.command(epilog=EXIT_CODES, short_help="Give an unfinished run up: remove all that is left of it.")(
    discard
)
app.command(epilog=EXIT_CODES, short_help="List or remove what runs that are gone left in the account.")(gc)
app.command(epilog=EXIT_CODES, short_help="Send payloads inline and via S3, and tell which is faster.")(bench)
app.command(epilog=EXIT_CODES, short_help="Tell what came of a run: counts, errors, latencies, cost.")(report)
app.add_typer(infra, name="infra", short_help="Print what to grant and to create on AWS.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the one place where errors become exit codes."""
    given = sys.argv[1:] if arguments is None else arguments
    narrowed = copy(app)  # `app` itself stays whole for others that call it
    narrowed.registered_commands, narrowed.registered_groups = called(
        app.registered_commands, app.registered_groups, given
    )
    open_descriptors()
    speak_utf8()
    allocators.choose()
    try:
        code: Any = narrowed(arguments, standalone_mode=False)
    except RunError as error:
        report_error(error)
        sys.exit(int(error.exit))
    except KeyboardInterrupt:
        sys.stderr.write("fanout: interrupted\n")
        sys.exit(int(Exit.INTERRUPTED))
    except SystemExit as leaving:  # what typer makes of a reader of `--help` that has gone
        if isinstance(leaving.__context__, BrokenPipeError):
            discard_stdout()
            sys.exit(int(Exit.OK))
        raise
    except typer.Abort:
        sys.exit(int(Exit.INTERRUPTED))
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            sys.exit(int(Exit.USAGE))
        raise
    if code == _TYPER_INTERRUPTED:
        sys.stderr.write("fanout: interrupted\n")
        code = int(Exit.INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)
