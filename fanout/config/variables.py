"""Reads the `FANOUT_*` variables of an environment: each sets a key, `FANOUT_PACING_RATE` sets `pacing.rate`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from fanout.config.flags import RUN
from fanout.config.model import Config, Names
from fanout.text import nearest

PREFIX = "FANOUT_"
OTHERS = frozenset(
    {"FANOUT_LOG_FORMAT", "FANOUT_LOG_LEVEL", "FANOUT_FAILPOINT", "FANOUT_SHARD", "FANOUT_SHARDS"}
)
"""Variables that are no keys: of `cli.console`, of `failpoints`, of `domain.shard_index`."""
TESTS = "FANOUT_LIVE_"  # what tests against real AWS are given, in CONTRIBUTING.md

Key = tuple[str, str]


def known() -> dict[str, Key]:
    """Return the key that each variable sets, by the variable's name."""
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    }


def read(environ: Mapping[str, str]) -> tuple[dict[Key, str], list[str]]:
    """Return the variable that sets each key, and a sentence on each that sets none."""
    keys = known()
    found: dict[Key, str] = {}
    mistakes: list[str] = []
    for name in environ:
        if not name.startswith(PREFIX) or name in OTHERS or name.startswith(TESTS):
            continue
        if name in keys:
            found[keys[name]] = name
        else:
            mistakes.append(f"unknown variable {name}{_meant(name, keys)}")
    return found, mistakes


def value(key: Key, text: str) -> str | list[str]:
    """Return what a variable's text sets `key` to: a list is separated by commas."""
    section = Config.model_fields[key[0]].annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    if section.model_fields[key[1]].annotation in {Names, Names | None}:
        return [part for part in text.split(",") if part]
    return text


def _meant(name: str, keys: Mapping[str, Key]) -> str:
    """Return the question after a variable that was probably meant: by the flag's name, or by the letters."""
    plain = name.removeprefix(PREFIX).lower()
    flag = next((flag for flag in RUN if flag.name == plain), None)
    key = None if flag is None else tuple(flag.key.split("."))
    meant = next((each for each in keys if keys[each] == key), None) or (plain and nearest(name, tuple(keys)))
    if not meant:
        return ": it sets nothing, so unset it (variables are FANOUT_SECTION_KEY, FANOUT_PACING_RATE for pacing.rate)"
    return f"; did you mean {meant}?"
