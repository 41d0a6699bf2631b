from __future__ import annotations

import pyarrow as pa
import pytest

from fanout.errors import Exit
from fanout.output.row_order import CorruptParts, complete, follow


def rows(*numbers: int) -> pa.Array:
    return pa.array(numbers, type=pa.int64())


def test_following_rows_give_the_next_one() -> None:
    assert follow(rows(), 3) == 3
    assert follow(rows(3), 3) == 4
    assert follow(pa.chunked_array([rows(3, 4), rows(5)]), 3) == 6


@pytest.mark.parametrize(
    ("numbers", "flaw"),
    [
        ((3, 3, 4), "row 3 twice"),
        ((2, 3), "row 2 twice"),
        ((4, 5), "row 3 missing"),
        ((3, 7), "rows 4 to 6 missing"),
        ((3, 5, 4), "rows out of order"),
        ((3, 3, 3, 10**15), "row 3 twice, rows 4 to 999999999999999 missing"),
        (
            tuple(range(3, 30, 2)),
            "row 4 missing, row 6 missing, row 8 missing, row 10 missing, row 12 missing and 8 more",
        ),
    ],
)
def test_flaws_are_named(numbers: tuple[int, ...], flaw: str) -> None:
    with pytest.raises(CorruptParts) as caught:
        follow(rows(*numbers), 3)
    expected = f"the part files do not hold every row once: {flaw}; this is a bug: "
    assert str(caught.value) == f"{expected}keep the run directory as it is and report it"
    assert caught.value.exit is Exit.BUG


def test_the_end_must_be_the_inputs_end() -> None:
    complete(5, 5)
    with pytest.raises(CorruptParts, match=r"rows 5 to 6 missing"):
        complete(5, 7)
    with pytest.raises(CorruptParts, match=r"row 5 beyond the input's end"):
        complete(6, 5)
