"""Which day it is where."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fanout.domain import zones
from fanout.domain.zones import day_at, zone

LATE = datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()


def test_midnight_is_that_of_the_zone():
    assert day_at(LATE, timezone="UTC") == date(2026, 11, 30)
    assert day_at(LATE, timezone="Europe/Berlin") == date(2026, 12, 1)
    assert day_at(LATE - 86_400, timezone="America/New_York") == date(2026, 11, 29)


@pytest.mark.parametrize("name", ["Europe/Berlinn", "", "../../etc/passwd", "/etc/passwd", "Europe"])
def test_a_zone_that_is_none_is_said(name):
    with pytest.raises(ValueError, match="is not a time zone known here: write a name such as Europe/Berlin"):
        zone(name)


def test_utc_needs_no_database(monkeypatch):
    def missing(name):
        raise zones.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zones, "ZoneInfo", missing)
    with pytest.raises(ValueError, match="or install tzdata"):
        zone("Europe/Berlin")
    assert day_at(LATE, timezone="UTC") == date(2026, 11, 30)
