"""Gathers the verbs of `fanout`, and is the only module that turns errors into exit codes."""

from __future__ import annotations

import sys
from copy import copy
from typing import Annotated, Any

import typer

from fanout.cli import malloc as allocators
from fanout.cli.console import discard_stdout, open_descriptors, outlive_stderr, report_error, speak_utf8
from fanout.cli.help import HELP_FLAGS, Verb, Verbs
from fanout.cli.startup import called
from fanout.cli.verbs.bench import bench
from fanout.cli.verbs.cancel import cancel
from fanout.cli.verbs.discard import discard
from fanout.cli.verbs.doctor import doctor
from fanout.cli.verbs.export import export
from fanout.cli.verbs.gc import gc
from fanout.cli.verbs.infra import infra
from fanout.cli.verbs.merge import merge
from fanout.cli.verbs.plan import plan
from fanout.cli.verbs.report import report
from fanout.cli.verbs.resume import resume
from fanout.cli.verbs.retry import retry
from fanout.cli.verbs.run import run
from fanout.cli.verbs.runs import runs
from fanout.cli.verbs.schema import schema
from fanout.cli.verbs.simulate import simulate
from fanout.cli.verbs.status import status
from fanout.errors import Exit, RunError
from fanout.runtime.command_line import note_command

PROGRAM = "fanout"  # also as `python -m fanout`: completion is installed under this name
app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    cls=Verbs,
    context_settings=HELP_FLAGS,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would cost 100 ms of every --help
    help="Send a dataset to an Amazon SageMaker asynchronous inference endpoint; get one Parquet file back.",
)

# What newer versions of typer return for a KeyboardInterrupt; older ones let it through.
_TYPER_INTERRUPTED = 130


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's signature
    if asked:
        from fanout.observability.versions import versions

        typer.echo("".join(f"{name} {said}\n" for name, said in versions().items()), nl=False)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print this version, and the libraries'."
        ),
    ] = False,
) -> None:
    """Send a dataset to an Amazon SageMaker asynchronous inference endpoint; get one Parquet file back."""


app.command(cls=Verb, short_help="Send every row to an endpoint; write one Parquet file.")(run)
app.command(cls=Verb, short_help="Show what a run would send, cost and take; send nothing.")(plan)
app.command(cls=Verb, short_help="Check what a run needs, before its first row.")(doctor)
app.command(cls=Verb, short_help="Serve the local AWS that ships with fanout, for your tests.")(simulate)
app.command(cls=Verb, short_help="Finish an interrupted run, and send nothing twice.")(resume)
app.command(cls=Verb, short_help="Combine the shards of a run into one output.")(merge)
app.command(cls=Verb, short_help="Stop all shards of a run in order, wherever they are.")(cancel)
app.command(cls=Verb, short_help="Send the failed rows of a finished run again.")(retry)
app.command(cls=Verb, short_help="Write what an unfinished run has collected so far.")(export)
app.command(cls=Verb, short_help="Show where a run stands, and what to do next.")(status)
app.command(cls=Verb, short_help="List the runs in a directory, or below a prefix in S3.")(runs)
app.command(cls=Verb, short_help="Abandon an unfinished run: remove all that is left of it.")(discard)
app.command(cls=Verb, short_help="List or remove what dead runs have left behind.")(gc)
app.command(cls=Verb, short_help="Send payloads inline and via S3, and tell which is faster.")(bench)
app.command(cls=Verb, short_help="Report on a run: counts, errors, latencies, cost.")(report)
app.command(cls=Verb, short_help="Print the JSON Schema of the TOML file, for editors.")(schema)
app.add_typer(infra, name="infra", short_help="Print what to grant and to create on AWS.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the one place where errors become exit codes."""
    given = sys.argv[1:] if arguments is None else arguments
    narrowed = copy(app)  # `app` itself stays whole for others that call it
    narrowed.registered_commands, narrowed.registered_groups = called(
        app.registered_commands, app.registered_groups, given
    )
    note_command(given)
    open_descriptors()
    speak_utf8()
    outlive_stderr()
    allocators.choose()
    try:
        code: Any = narrowed(arguments, prog_name=PROGRAM, standalone_mode=False)
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
