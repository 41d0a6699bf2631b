"""Prints what to grant and to create on AWS: `fanout infra iam`, `cfn` and `queue`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fanout.cli.options import from_flags
from fanout.config.flags import RUN, Sections
from fanout.errors import Exit, UsageError

infra = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Print what to grant and to create on AWS: a policy, a CloudFormation template.",
)


@infra.command(epilog="Exit codes: 0 the policy is whole; 2 usage; 4 placeholders stand in it.")
@from_flags(RUN)
def iam(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    flags: Sections,
    verb: Annotated[
        str, typer.Option("--for", metavar="VERB", help="What the role is to do: run, bench or doctor.")
    ] = "run",
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="The account, where the endpoint cannot be asked.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing of AWS; placeholders stand for what it would tell.")
    ] = False,
) -> None:
    """Print the least policy that a run of this configuration needs, as one JSON document.

    It takes the arguments of run. The Sid of each statement says what it is for.
    """
    from fanout.commands.infra.iam import OFFLINE, Described, describe, grant
    from fanout.commands.infra.uses import verb_of
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop

    wanted = verb_of(verb)
    if account is not None and not (account.isascii() and account.isdigit() and len(account) == 12):
        raise UsageError(f"--account {account!r}: an account has 12 digits (aws sts get-caller-identity)")
    loaded = load_config(config, environ=os.environ, flags=flags)
    not_asked = Described(None, loaded.endpoint.region or _region(os.environ), OFFLINE)
    grant(loaded, wanted, not_asked, account_id=account)  # mistakes are told before AWS is asked
    described = not_asked if offline else run_in_event_loop(lambda: describe(loaded))
    granted = grant(loaded, wanted, described, account_id=account)
    _print(granted.document)
    if granted.placeholders:
        sys.stderr.write(
            f"fanout: replace {', '.join(granted.placeholders)} in the policy: the endpoint was not asked about what "
            f"they stand for. {granted.why}\n"
        )
        raise typer.Exit(int(Exit.PRECONDITION))


def _region(environ: Mapping[str, str]) -> str | None:
    """Return the region that the environment names, as the clients read it."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")


def _print(document: Mapping[str, object]) -> None:
    """Print a document that a person reads before a service does."""
    import json

    from fanout.cli.console import write_out

    write_out(f"{json.dumps(document, indent=2)}\n")
