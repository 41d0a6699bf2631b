"""Makes a configuration: flags override `FANOUT_*` variables, which override the TOML file, which overrides defaults.

Paths in a TOML file are relative to that file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from fanout.config import variables
from fanout.config.errors import dotted, explain
from fanout.config.model import Config
from fanout.config.origins import Origins
from fanout.errors import UsageError

Raw = dict[str, Any]
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] = _NO_VARIABLES,
    flags: Raw | None = None,
    base: Config | None = None,
    also: Callable[[Raw, Origins], Sequence[str]] = lambda _values, _origins: (),
) -> Config:
    """Return the configuration of a run.

    >>> fanout.load_config("job.toml").pacing.rate
    200.0

    Args:
        path: The TOML file; None for none.
        environ: Where variables are looked for; `FANOUT_PACING_RATE=200` sets `rate` in `[pacing]`. None are by
            default, as a library should do what its caller says: the command line hands `os.environ` in.
        flags: Values that override both, as nested dictionaries (`flags.from_keywords` makes them); leaves that are
            None are left out.
        base: Stands in for the defaults, when a run is resumed.
        also: Returns what else is wrong with these values, a sentence each, so that all of it is told at once.

    Raises:
        UsageError: A file that cannot be read, an unknown key, a value that does not fit; names each.
    """
    merged: Raw = base.model_dump(exclude_defaults=True) if base is not None else {}
    text = ""
    if path is not None:
        file = Path(path)
        text, raw = _read(file)
        _merge(merged, _rebase(raw, file.parent))
    found, mistakes = variables.read(environ)
    for (section, key), name in found.items():
        _merge(merged, {section: {key: variables.value((section, key), environ[name])}})
    _merge(merged, flags or {})
    names = {dotted(key): name for key, name in found.items()}
    origins = Origins(
        path=None if path is None else Path(path), text=text, variables=names, flags=flags or {}
    )
    wrong: ValidationError | None = None
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        wrong = error
        mistakes += explain(error, Config, said=origins.said)
    mistakes += also(merged, origins)
    if mistakes:
        raise UsageError(*mistakes) from wrong
    return config


def _read(path: Path) -> tuple[str, Raw]:
    """Return what a TOML file holds, as text and as tables."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); check the path given with -c"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error


def _rebase(raw: Raw, base: Path) -> Raw:
    """Make the paths of a TOML file relative to the file, so that a scheduler may start it from anywhere."""

    def rebased(text: object) -> object:
        if not isinstance(text, str) or text == "-" or "://" in text:
            return text
        joined = os.path.normpath(base / text)
        return f"{joined}/" if text.endswith("/") else joined

    places = ("input.paths", "input.watermark", "output.path", "run.dir", "metrics.textfile")
    for section, key in (place.split(".") for place in places):
        inner = raw.get(section)
        if isinstance(inner, dict) and key in inner:
            value = inner[key]
            inner[key] = [rebased(each) for each in value] if isinstance(value, list) else rebased(value)
    return raw


def _merge(into: Raw, other: Raw) -> None:
    """Lay `other` over `into`; leaves that are None say nothing, and a section that is no table stays for the error."""
    for key, value in other.items():
        if isinstance(value, dict):
            inner = into.get(key)
            if inner is None:
                inner = into[key] = {}
            if isinstance(inner, dict):
                _merge(inner, value)
        elif value is not None:
            into[key] = value
