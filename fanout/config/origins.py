"""Tells where a person said a key: in which line of the TOML file, in which variable, by which flag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.config.errors import Place, Said, dotted
from fanout.config.flags import BENCH, RESUME, RUN

_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_OPTIONS = {flag.key: flag.option for flag in (*BENCH, *RESUME, *RUN) if flag.kind != "paths"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The sources of a configuration.

    Attributes:
        path: The TOML file; None for none.
        text: What it holds.
        variables: The variable that sets each key, by the key's names with dots between.
        flags: Values of flags, by section and key.
    """

    path: Path | None
    text: str
    variables: Mapping[str, str]
    flags: Mapping[str, Any]

    def said(self, place: Place) -> Said:
        """Return a key as it was said, by the source that had the last word."""
        key = dotted(place)
        if _holds(self.flags, place):
            option = _OPTIONS.get(dotted(place[:2]))
            return Said(f"{key} ({option})" if option else key)
        variable = self.variables.get(dotted(place[:2]))
        if variable is not None:
            return Said(f"{variable} ({key})")
        if self.path is None:
            return Said(key)
        line = line_of(self.text, place)
        return Said(key, f"{self.path}: " if line is None else f"{self.path}:{line}: ")

    def hint(self, place: tuple[str, str]) -> str:
        """Return where in the TOML file a key that is not said could stand, as the end of a sentence; empty without."""
        if self.path is None:
            return ""
        section, key = place
        line = line_of(self.text, (section,))
        where = f"in {self.path}" if line is None else f"{self.path}:{line}"
        return f" (or `{key}` in [{section}], {where})"


def line_of(text: str, place: Place) -> int | None:
    """Return the line, from 1, in which a TOML file says a key, or its table; None if it is not one of its own."""
    wanted = dotted(tuple(part for part in place if isinstance(part, str)))
    table, found = "", None
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _TABLE.match(line)
        if heading:
            table = _plain(heading[1])
            if table == wanted:
                return number
            continue
        name, equals, _ = line.partition("=")
        key = _plain(f"{table}.{name}" if table else name) if equals else ""
        if key == wanted:
            return number
        if key and wanted.startswith(f"{key}.") and found is None:
            found = number  # of an inline table that holds it
    return found


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _holds(flags: Mapping[str, Any], place: Place) -> bool:
    """Whether a flag says the key, or any key of a section that is wrong as a whole."""
    section = flags.get(str(place[0])) if place else None
    if not isinstance(section, Mapping):
        return section is not None
    keys = section.values() if len(place) == 1 else (section.get(str(place[1])),)
    return any(value is not None for value in keys)
