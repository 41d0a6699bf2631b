"""Makes the page of the Python API from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

import fanout
from fanout.config.flags import RESUME, RETRY, RUN

FIRST = (
    "run",
    "plan",
    "resume",
    "retry",
    "export",
    "status",
    "load_config",
    "open",
    "Session",
    "Record",
    "Outcome",
)
"""What comes first, in the order in which a reader needs it; examples go on where those before them ended."""
MANY = 8  # keywords that are flags: from here on one word stands for them
FLAGS = {flag.name for flag in (*RUN, *RESUME, *RETRY)}


def python() -> str:
    """Return the page of the Python API."""
    parts = [
        "# The Python API",
        "`import fanout` costs nothing: each name is imported when it is first used. Keywords of `run`, `plan` and "
        "`open` are the [flags](commands.md#fanout-run) with underscores.",
    ]
    names = sorted(
        fanout.__all__, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)
    )
    values = {name: getattr(fanout, name) for name in names}
    kinds = {name: value for name, value in values.items() if inspect.isclass(value)}
    failures = {name: value for name, value in kinds.items() if issubclass(value, Exception)}
    for name, value in values.items():
        if inspect.isfunction(value):
            parts += [f"## fanout.{name}", _function(value)]
    for name, value in kinds.items():
        if name in failures or issubclass(value, BaseModel):
            continue
        parts += [f"## fanout.{name}", _docstring(value)]
        for method in _methods(value):
            parts += [f"### {name}.{method.__name__}", _function(method)]
    parts += [
        "## fanout.Config",
        "The whole configuration, frozen: an attribute for each section of [the TOML file](configuration.md), with an "
        "attribute for each of its keys. `fanout.load_config` makes one of a file.",
        "## Errors",
        "Each has `exit`, the [exit code](exit-codes.md) of the command line, and a message with the next step.",
    ]
    parts += [f"### fanout.{name}\n\n{_docstring(value)}" for name, value in failures.items()]
    return "\n\n".join(parts)


def _methods(value: type) -> Iterator[Any]:
    for name in vars(value):
        member = inspect.getattr_static(value, name)
        bound = getattr(value, name)
        if (
            not name.startswith("_")
            and inspect.getdoc(member)
            and (inspect.isfunction(bound) or inspect.ismethod(bound))
        ):
            yield bound


def _function(function: Any) -> str:
    signature = inspect.signature(function)
    before = "async " if inspect.iscoroutinefunction(inspect.unwrap(function)) else ""
    flags = [each for each in signature.parameters.values() if _is_flag(each)]
    folded = flags if len(flags) > MANY else []
    given = [each for each in signature.parameters.values() if each not in folded]
    own = [_parameter(each) for each in given]
    named = next((place for place, each in enumerate(given) if each.kind is each.KEYWORD_ONLY), None)
    if named is not None:
        own.insert(named, "*")
    if folded:
        own.append("**flags")
    result = signature.return_annotation
    returns = "" if result is inspect.Signature.empty else f" -> {result}"
    shown = f"{before}{function.__name__}({', '.join(own)}){returns}"
    return f"```text\n{shown}\n```\n\n{_docstring(function)}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is not parameter.empty and not isinstance(default, str | int | float | bytes | None):
        parameter = parameter.replace(default=...)  # what has no text of its own
    return str(parameter).replace("'", "").replace("Ellipsis", "...")


def _is_flag(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.KEYWORD_ONLY and parameter.name in FLAGS


def _docstring(value: Any) -> str:
    """Return a Google docstring as Markdown: its sections as lists, its examples as they are run."""
    out: list[str] = []
    example: list[str] = []
    for line in [*inspect.cleandoc(inspect.getdoc(value) or "").splitlines(), ""]:
        if line.startswith(">>>") or (example and line.strip()):
            example.append(line)
            continue
        if example:
            out += ["```pycon", *example, "```", ""]
            example = []
        entry = line.strip()
        if not line.startswith(" ") and entry in {"Args:", "Attributes:", "Raises:", "Returns:", "Yields:"}:
            out += [f"**{entry.rstrip(':')}**", ""]
        elif line.startswith("    ") and not line.startswith("     ") and ": " in entry:
            name, _, text = entry.partition(": ")
            out.append(f"- `{name}`: {text}")
        else:
            out.append(f"  {entry}" if line.startswith(" ") else line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out).strip())
