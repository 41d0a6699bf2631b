"""Makes the options of a verb from the table of flags, and from the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, get_type_hints

import typer

from fanout.config.flags import Flag, Kind, sections

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Directory of the run (.fanout/<run> beside its output), its place s3://BUCKET/runs/NAME, its output, "
        "or `last`.",
    ),
]
"""How a command line names a run; `commands.find_run` finds it."""

Verb = Callable[..., None]
_METAVARS: dict[Kind, str] = {"text": "TEXT", "int": "N", "float": "NUMBER", "names": "A,B"}
GROUPS = {
    "input": "Input",
    "columns": "Columns",
    "payload": "Payload",
    "endpoint": "Endpoint",
    "local": "Endpoint",
    "transport": "Sending",
    "pacing": "Sending",
    "collect": "Results",
    "output": "Output",
    "run": "Run",
    "metrics": "Metrics",
    "bench": "Experiment",
}
"""Under what `--help` lists a flag, by the section of its key, in this order."""
_TYPES: dict[Kind, Any] = {
    "text": str | None,
    "int": str | None,  # read with the rest of the configuration: all that is wrong is told at once
    "float": str | None,
    "names": str | None,
    "paths": list[str] | None,
    "on": bool | None,
    "off": bool | None,
}


def from_flags(flags: Sequence[Flag]) -> Callable[[Verb], Verb]:
    """Give a verb an option for each of `flags`, in place of its parameter `flags`.

    There it gets what the options were given, as the sections of a configuration. A parameter that is a dataclass
    gives its place to an option for each field. Typer reads the signature that is made here, and calls by keyword.
    """

    def decorate(verb: Verb) -> Verb:
        parameters: list[Parameter] = []
        groups: dict[str, type] = {}
        for own in inspect.signature(verb, eval_str=True).parameters.values():
            if own.name == "flags":
                parameters += [_parameter(flag.name, _annotation(flag), None) for flag in flags]
            elif is_dataclass(kind := own.annotation):
                hints = get_type_hints(kind, include_extras=True)
                parameters += [_parameter(each.name, hints[each.name], each.default) for each in fields(kind)]
                groups[own.name] = own.annotation
            else:
                parameters.append(own.replace(kind=Parameter.KEYWORD_ONLY))

        def command(**given: object) -> None:
            said = {flag.name: given.pop(flag.name) for flag in flags}
            for name, kind in groups.items():
                given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            verb(flags=sections(flags, said), **given)

        command.__name__, command.__doc__ = verb.__name__, verb.__doc__
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _parameter(name: str, annotation: Any, default: object) -> Parameter:
    required = default is MISSING
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=Parameter.empty if required else default, annotation=annotation
    )


def _annotation(flag: Flag) -> Any:
    metavar = flag.metavar or _METAVARS.get(flag.kind)
    if flag.kind == "paths":
        return Annotated[_TYPES[flag.kind], typer.Argument(metavar=metavar, help=flag.help)]
    names = (flag.short, flag.option) if flag.short else (flag.option,)
    # The configuration has the default: an option that was not given says nothing.
    said = f"{flag.help} [default: {flag.default}]" if flag.default else flag.help
    option = typer.Option(
        *names,
        metavar=metavar,
        help=said,
        rich_help_panel=GROUPS[flag.key.partition(".")[0]],
        autocompletion=_completing(flag.choices) if flag.choices else None,
    )
    return Annotated[_TYPES[flag.kind], option]


def _completing(choices: Sequence[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete
