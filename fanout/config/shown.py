"""Shows a configuration and a command line as a report and a log may: what was set, without what could be a secret.

Reports are sent to colleagues and put on wikis, logs are kept elsewhere. What is handed to the model with every row,
tags, and what stands in an address beside the place that it names are left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fanout.config.model import Config

WITHHELD = "(set, not shown)"
_WITHHELD = {("payload", "custom_attributes"), ("payload", "template"), ("transport", "input_tags")}
"""What a person writes for a model or for an account's bookkeeping may be a token as well as a label."""
_WITHHELD_FLAGS = {f"--{key.replace('_', '-')}" for _, key in _WITHHELD}

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(?<=://)([^?\s]*)\?\S+")  # a presigned address is its own password

IN_FORCE: Mapping[str, tuple[str, ...]] = {
    "pacing": ("rate", "bytes_per_s", "window"),
    "transport": ("mode", "inline_max_bytes", "concurrency", "uploads", "client"),
    "collect": ("notifications",),
    "retry": ("generations",),
    "run": ("processes", "journal"),
}
"""What decides on a run's speed and on what is sent again: told whether it was set or is a default."""


def shown_settings(config: Config) -> dict[str, dict[str, Any]]:
    """Return what differs from the defaults, as JSON values by section and key; prices are no setting of a run."""
    changed = config.model_dump(mode="json", exclude_defaults=True, exclude={"prices"})
    return {
        section: {key: _shown(section, key, value) for key, value in keys.items()}
        for section, keys in changed.items()
    }


def settings_in_force(config: Config) -> dict[str, Any]:
    """Return the settings of `IN_FORCE` as `section.key`."""
    return {
        f"{section}.{key}": getattr(getattr(config, section), key)
        for section, keys in IN_FORCE.items()
        for key in keys
    }


def shown_words(words: Iterable[str]) -> list[str]:
    """Return the words of a command line, without what could be a secret."""
    found: list[str] = []
    withhold = False
    for word in words:
        flag, given, _ = word.partition("=")
        if withhold:
            found.append(WITHHELD)
        elif flag in _WITHHELD_FLAGS and given:
            found.append(f"{flag}={WITHHELD}")
        else:
            found.append(_plain(word))
        withhold = not withhold and not given and flag in _WITHHELD_FLAGS
    return found


def _shown(section: str, key: str, value: Any) -> Any:
    if (section, key) in _WITHHELD:
        return WITHHELD
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, list):
        return [_plain(each) if isinstance(each, str) else each for each in value]
    return value


def _plain(text: str) -> str:
    return _QUERY.sub(r"\1?(not shown)", _CREDENTIALS.sub("", text))
