"""Options per row: shared when they are equal, however many there are."""

from __future__ import annotations

from fanout.domain.records import Options
from fanout.source.row_options import RowOptions
from fanout.source.selection import Selection


def test_a_million_distinct_attributes_do_not_fill_memory():
    options = RowOptions(Selection(custom_attributes_column="a"), Options())
    for number in range(5_000):
        assert options.read({"a": str(number)}) == Options(custom_attributes=str(number))
    assert len(options._shared) <= 1_024


def test_nothing_to_read_is_the_default_itself():
    defaults = Options(accept="a/b")
    assert RowOptions(Selection(), defaults).read({"a": 1}) is defaults
