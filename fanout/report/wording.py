"""Makes texts of a report's values: milliseconds, money, periods, places; terminal, Markdown and page share them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fanout.analysis.quantiles import Interval
from fanout.rundir.provenance import Provenance

DOLLARS_MIN = 0.0001
"""Less money is told to be under this, and not to be nothing."""


def ms(value: float | None) -> str:
    """Return milliseconds for a table; a dash for what too few rows tell."""
    return "\N{EN DASH}" if value is None else f"{value:,.1f}"


def dollars(value: float) -> str:
    """Return money, with more digits where cents say nothing."""
    if 0 < value < DOLLARS_MIN:
        return f"under ${DOLLARS_MIN}"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def seconds_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 120:
        return f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def period_text(start_s: float, seconds: float) -> str:
    """Return from when to when, in UTC, and how long; `start_s` in seconds since the epoch."""
    start, end = (datetime.fromtimestamp(each, UTC) for each in (start_s, start_s + seconds))
    last = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} to {last} UTC, {seconds_text(seconds)}"


def account_text(said: Provenance) -> str:
    """Return an account by its name and number, as far as they are known."""
    if said.account is None:
        return said.account_alias or "not known"
    return f"{said.account_alias} ({said.account})" if said.account_alias else said.account


def instances_text(said: Provenance) -> str:
    """Return which instances an endpoint had."""
    if said.instance_types:
        return ", ".join(f"{number} x {kind}" for kind, number in said.instance_types.items())
    if said.instances is None:
        return "instances not known"
    return f"{said.instances} instance" + ("" if said.instances == 1 else "s")


def sentence(text: str) -> str:
    """Return a text with a capital at its beginning and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def difference(found: Interval | None) -> tuple[str, str]:
    """Return a median difference and its interval."""
    if found is None:
        return "", ""
    # A change of hundredths that is beyond chance would read as none.
    small = max(abs(found.low), abs(found.high)) < 0.1 and not found.low <= 0 <= found.high
    digits = 3 if small else 1
    return f"{found.median:+,.{digits}f}", f"{found.low:+,.{digits}f} to {found.high:+,.{digits}f}"


def hours_text(hours: float) -> str:
    """Return instance hours, few of which are not none."""
    return "under 0.01 instance hours" if 0 < hours < 0.01 else f"{hours:,.2f} instance hours"


def setting_text(value: object) -> str:
    """Return the value of a setting as a person writes it: a list by commas, a table by its keys."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_text, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {setting_text(each)}" for key, each in _flat(value))
    if isinstance(value, float):
        return f"{value:,.10g}"
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def percent(share: float) -> str:
    """Return a share, 1 for all, so that a few rows of a million do not read as none."""
    if 0 < abs(share) < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.3g} %"
