"""Puts a date in place of `{date:%Y/%m/%d}` in a path; pure.

A brace that begins no placeholder stands for itself. What looks like a placeholder and is none is a mistake: a date
that was misspelt would become a folder of that name.
"""

from __future__ import annotations

import re
from datetime import date

_PLACEHOLDER = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?P<form>:[^{}]*)?\}")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_OF_A_DATE = frozenset("YmdyjGVu%")
"""Directives of strftime that say something of a date and are the same in every locale."""
_ISO = "%Y-%m-%d"


def has_placeholder(path: str) -> bool:
    """Whether a path names the date, or what looks like a placeholder."""
    return _PLACEHOLDER.search(path) is not None


def fixed_part(path: str) -> str:
    """Return a path up to its first placeholder."""
    found = _PLACEHOLDER.search(path)
    return path if found is None else path[: found.start()]


def on_date(path: str, day: date) -> str:
    """Return `path` with `day` in place of its placeholders.

    Raises:
        ValueError: A placeholder is not known, or asks for more than a date; says what can be written.
    """

    def replaced(found: re.Match[str]) -> str:
        if found["name"] != "date":
            raise ValueError(
                f"{found[0]} is not a placeholder: write {{date:{_ISO}}}; "
                f"a name that has these braces is meant by a glob, [{{]{found[0][1:]}"
            )
        form = (found["form"] or f":{_ISO}")[1:]
        wrong = next((each[0] for each in _DIRECTIVE.finditer(form) if each[1] not in _OF_A_DATE), None)
        if wrong is not None or not form:
            what = f"{wrong} is no part of a date" if wrong else "there is no format after the colon"
            raise ValueError(f"{found[0]}: {what}: use %Y, %m, %d, %y, %j, %G, %V or %u")
        return day.strftime(form)

    return _PLACEHOLDER.sub(replaced, path)
