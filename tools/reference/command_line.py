"""Makes the page of the command line from the verbs' own signatures, so that no version of typer changes it."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from fanout.cli.app import app
from fanout.cli.exit_codes import MEANINGS
from fanout.config.flags import BENCH, GC, INFRA, REPORT, RESUME, RETRY, RUN, Flag
from fanout.config.model import Config
from tools.reference.markdown import paragraphs, table

ALL = {flag.name for flag in RUN}
KINDS = {int: "N", float: "NUMBER"}


def commands() -> str:
    """Return the page of the command line."""
    parts = [
        "# The command line",
        "What each command takes; `fanout COMMAND --help` says the same. stdout is for programs (one JSON object with "
        "`--json`), stderr for people. A default that is empty leaves the choice to the program.",
        "`resume`, `retry`, `status`, `export`, `discard` and `report` take a run by its directory, its output, or as "
        "`last` ([reruns.md](../reruns.md#run)).",
    ]
    for name, verb in _verbs(app, "fanout"):
        parts += [f"## {name}", *paragraphs(verb.__doc__)]
        parameters = inspect.signature(verb, eval_str=True).parameters
        as_run = name != "fanout run" and set(parameters) >= ALL
        shown = [each for each in parameters.values() if not (as_run and each.name in ALL)]
        if shown:
            rows = [(_named(each), _default(name, each) or _said(each), _help(each)) for each in shown]
            parts.append(table(("argument or option", "default", "what"), rows))
        if as_run:
            parts.append("It takes the arguments and options of [fanout run](#fanout-run) as well.")
        meanings = MEANINGS[name.removeprefix("fanout ")]
        parts.append(
            table(("exit code", "meaning"), [(str(code.value), said) for code, said in meanings.items()])
        )
    return "\n\n".join(parts)


def _verbs(group: Any, path: str) -> Iterator[tuple[str, Callable[..., None]]]:
    for each in group.registered_commands:
        yield f"{path} {each.name or each.callback.__name__}", each.callback
    for each in group.registered_groups:
        yield from _verbs(each.typer_instance, f"{path} {each.name}")


def _info(parameter: inspect.Parameter) -> Any:
    """Return what typer is told of a parameter."""
    assert get_origin(parameter.annotation) is Annotated, parameter
    return get_args(parameter.annotation)[1]


def _help(parameter: inspect.Parameter) -> str:
    """Return what an option is for, without the default, which has a column."""
    return (_info(parameter).help or "").partition(" [default: ")[0]


def _said(parameter: inspect.Parameter) -> str:
    """Return the default that the help of an option says, for those that are no value."""
    return (_info(parameter).help or "").partition(" [default: ")[2].removesuffix("]")


def _named(parameter: inspect.Parameter) -> str:
    info, kind = _info(parameter), get_args(parameter.annotation)[0]
    if "Argument" in type(info).__name__:
        name = info.metavar or parameter.name.upper()
        return f"`{name}…`" if "list" in str(kind) else f"`{name}`"
    # In an Annotated, typer itself takes the first name for a default until it reads the signature.
    first = [info.default] if isinstance(info.default, str) and info.default.startswith("-") else []
    names = ", ".join([*first, *(info.param_decls or ())] or [f"--{parameter.name.replace('_', '-')}"])
    inner = [
        each
        for each in (get_args(kind) if isinstance(kind, types.UnionType) else (kind,))
        if each is not type(None)
    ]
    if inner == [bool]:
        return f"`{names}`"
    return f"`{names} {info.metavar or KINDS.get(inner[0], 'TEXT')}`"


def _default(verb: str, parameter: inspect.Parameter) -> str:
    """Return what holds without an option: its own default, or that of the key that it sets."""
    value = parameter.default
    if value is None:
        value = next((_of_key(flag.key) for flag in _flags(verb) if flag.name == parameter.name), None)
    if value is inspect.Parameter.empty or value is None or value == () or isinstance(value, bool):
        return ""
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def _flags(verb: str) -> typing.Sequence[Flag]:
    tables = {"bench": BENCH, "resume": RESUME, "retry": RETRY, "report": REPORT, "gc": GC, "queue": INFRA}
    last = verb.rpartition(" ")[2]
    # A resume keeps what its run had, and so does a retry.
    return () if last in {"resume", "retry"} else tables.get(last, RUN)


def _of_key(key: str) -> object:
    section, _, name = key.partition(".")
    kind = Config.model_fields[section].annotation
    assert isinstance(kind, type)
    assert issubclass(kind, BaseModel)
    return kind.model_fields[name].get_default()
