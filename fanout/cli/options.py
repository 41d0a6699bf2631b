"""Makes the options of a verb from the table of flags, and holds those that set no key of the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from fanout.config.flags import Flag, Kind, sections

RunDir = Annotated[Path, typer.Argument(help="Directory of the run: .fanout/<run> beside its output.")]

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

Verb = Callable[..., None]
_TYPES: dict[Kind, Any] = {
    "text": str | None,
    "int": int | None,
    "float": float | None,
    "names": str | None,
    "paths": list[str] | None,
    "on": bool | None,
    "off": bool | None,
}


def from_flags(flags: Sequence[Flag]) -> Callable[[Verb], Verb]:
    """Give a verb an option for each of `flags`, in place of its parameter `flags`.

    There it gets what the options were given, as the sections of a configuration. Typer reads the signature that is
    made here, and calls by keyword.
    """

    def decorate(verb: Verb) -> Verb:
        made = [
            Parameter(flag.name, Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(flag))
            for flag in flags
        ]
        parameters: list[Parameter] = []
        for own in inspect.signature(verb, eval_str=True).parameters.values():
            parameters += made if own.name == "flags" else [own.replace(kind=Parameter.KEYWORD_ONLY)]

        def command(**given: object) -> None:
            said = {flag.name: given.pop(flag.name) for flag in flags}
            verb(flags=sections(flags, said), **given)

        command.__name__, command.__doc__ = verb.__name__, verb.__doc__
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _annotation(flag: Flag) -> Any:
    metavar = flag.metavar or None
    if flag.kind == "paths":
        return Annotated[_TYPES[flag.kind], typer.Argument(metavar=metavar, help=flag.help)]
    names = (flag.short, flag.option) if flag.short else (flag.option,)
    return Annotated[_TYPES[flag.kind], typer.Option(*names, metavar=metavar, help=flag.help)]
