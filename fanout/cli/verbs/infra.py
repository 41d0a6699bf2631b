"""Prints what to grant and to create on AWS: `fanout infra iam`, `cfn` and `queue`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.cli.help import Verb, Verbs
from fanout.cli.options import from_flags
from fanout.config.flags import INFRA, RUN, Sections
from fanout.errors import Exit, UsageError

if TYPE_CHECKING:
    from fanout.commands.infra.described import Document

infra = typer.Typer(
    no_args_is_help=True,
    cls=Verbs,
    rich_markup_mode=None,
    help="Print what to grant and to create on AWS: a policy, a CloudFormation template.",
)


@infra.command(cls=Verb)
@from_flags(RUN)
def iam(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file of the run.")] = None,
    flags: Sections,
    verb: Annotated[
        str, typer.Option("--for", metavar="VERB", help="What the role is for: run, bench, doctor or gc.")
    ] = "run",
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="The account, if the endpoint cannot be described.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not call AWS; print placeholders for what it would tell.")
    ] = False,
) -> None:
    """Print the least policy that a run of this configuration needs, as one JSON document.

    It takes the arguments of run. The Sid of each statement says what it is for.
    """
    from fanout.commands.infra.described import OFFLINE, Described, describe
    from fanout.commands.infra.iam import grant
    from fanout.commands.infra.uses import verb_of
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop

    wanted = verb_of(verb)
    if account is not None and not (account.isascii() and account.isdigit() and len(account) == 12):
        raise UsageError(f"--account {account!r}: an account has 12 digits (aws sts get-caller-identity)")
    loaded = load_config(config, environ=os.environ, flags=flags)
    not_asked = Described(None, loaded.endpoint.region or _region(os.environ), OFFLINE)
    grant(loaded, wanted, not_asked, account_id=account)  # mistakes are told before AWS is asked
    if loaded.endpoint.name is None:  # gc is of the account, where none is named
        not_asked = Described(None, not_asked.region, "No endpoint was named that could tell.")
    asks = not offline and loaded.endpoint.name is not None
    described = run_in_event_loop(lambda: describe(loaded)) if asks else not_asked
    granted = grant(loaded, wanted, described, account_id=account)
    _end(granted, what="policy")


@infra.command(cls=Verb)
def cfn(
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model; if left out, CloudFormation asks for it.")
    ] = None,
    endpoint: Annotated[str, typer.Option(metavar="NAME", help="Name of the endpoint.")] = "fanout",
    instance_type: Annotated[str, typer.Option(help="Type of its instances.")] = "ml.m5.xlarge",
    least: Annotated[
        int, typer.Option("--min", help="Minimum of instances; 0 costs nothing while no rows wait.")
    ] = 0,
    most: Annotated[int, typer.Option("--max", help="Maximum of instances.")] = 2,
    concurrency: Annotated[int, typer.Option(help="Requests that an instance gets at once.")] = 4,
    backlog: Annotated[
        float, typer.Option(help="Waiting requests for each instance, which scaling aims at.")
    ] = 5.0,
    expire_days: Annotated[
        int, typer.Option(help="Days until uploads and the endpoint's objects are deleted.")
    ] = 14,
    kms_key: Annotated[
        str | None, typer.Option(metavar="ARN", help="KMS key of buckets, topics and results.")
    ] = None,
    embed_responses: Annotated[
        bool, typer.Option("--embed-responses", help="Include responses in notifications.")
    ] = False,
    model_role: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's role, to be given the rights it needs here."),
    ] = None,
    trusted: Annotated[
        str | None,
        typer.Option(
            metavar="WHO", help="Who may assume the role of runs: an ARN, or ecs-tasks.amazonaws.com."
        ),
    ] = None,
    shared_queue: Annotated[
        bool, typer.Option("--shared-queue", help="A queue that runs share, instead of one for each.")
    ] = False,
    s3_output: Annotated[
        bool, typer.Option("--s3-output", help="Let runs put their outputs into the results' bucket.")
    ] = False,
) -> None:
    """Print a CloudFormation template: buckets, topics, endpoint, scaling to zero and up, and the role of runs.

    Every option but switches is a parameter of the template, too, whose default it is.
    """
    from fanout.commands.infra.stack import StackOptions, stack

    options = StackOptions(
        model=model,
        endpoint=endpoint,
        instance_type=instance_type,
        min_instances=least,
        max_instances=most,
        concurrency=concurrency,
        backlog=backlog,
        expire_days=expire_days,
        kms_key=kms_key,
        embed_responses=embed_responses,
        model_role=model_role,
        trusted=trusted,
        shared_queue=shared_queue,
        s3_output=s3_output,
    )
    _print(stack(options))


@infra.command(cls=Verb)
@from_flags(INFRA)
def queue(
    *,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file, as for run.")] = None,
    flags: Sections,
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="ARN", help="A topic of the endpoint; if left out, the endpoint is asked."),
    ] = None,
    # Not `fanout-…`: the queues of single runs are called so, which runs and clean-ups delete.
    name: Annotated[str, typer.Option(help="Name of the queue.")] = "shared-for-fanout",
) -> None:
    """Print a CloudFormation template of a queue that many runs share (--queue-url), subscribed to the topics."""
    from fanout.commands.infra.described import describe
    from fanout.commands.infra.queue import shared_queue
    from fanout.config.load import load_config
    from fanout.runtime.event_loop import run_in_event_loop

    loaded = load_config(config, environ=os.environ, flags=flags)
    described = None if topic else run_in_event_loop(lambda: describe(loaded))
    _end(shared_queue(topic or (), described, name=name), what="template")


def _end(document: Document, *, what: str) -> None:
    """Print a document, and exit with 4 if it has placeholders."""
    _print(document.content)
    if document.placeholders:
        sys.stderr.write(
            f"fanout: replace {', '.join(document.placeholders)} in the {what}: the endpoint did not say what belongs "
            f"there. {document.why}\n"
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
