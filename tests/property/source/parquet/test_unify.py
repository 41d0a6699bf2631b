"""Whatever two types a column has: the one type found for both gives every value back, or there is none."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fanout.source.parquet.unify import unified


def integers(bits, *, signed):
    kind = getattr(pa, f"{'' if signed else 'u'}int{bits}")()
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.tuples(st.just(kind), st.integers(low, high))


@st.composite
def decimals(draw):
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    digits = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    text = Decimal(
        (int(digits < 0), tuple(map(int, str(abs(digits)))), -scale)
    )  # exactly: no context rounds it
    return pa.decimal128(precision, scale), text


floats = st.tuples(st.just(pa.float32()), st.floats(width=32, allow_nan=False)) | st.tuples(
    st.just(pa.float64()), st.floats(allow_nan=False)
)
leaves = (
    st.one_of(*(integers(bits, signed=signed) for bits in (8, 16, 32, 64) for signed in (False, True)))
    | floats
    | st.tuples(
        st.sampled_from([pa.string(), pa.large_string()]), st.text(st.characters(exclude_categories=["Cs"]))
    )
    | st.tuples(st.sampled_from([pa.binary(), pa.large_binary()]), st.binary())
    | st.just((pa.null(), None))
)


def in_list(pair):
    kind, value = pair
    return st.sampled_from([pa.list_(kind), pa.large_list(kind), pa.list_(kind, 1)]).map(
        lambda outer: (outer, [value])
    )


columns = (
    leaves | leaves.flatmap(in_list) | leaves.map(lambda pair: (pa.struct([("a", pair[0])]), {"a": pair[1]}))
)


@given(one=columns, other=columns)
def test_every_value_is_given_back(one, other):
    both = unified(one[0], other[0])
    assert both == unified(other[0], one[0])
    if both is not None:
        assert pa.array([one[1], other[1]], both).to_pylist() == [one[1], other[1]]


@given(one=decimals(), other=decimals())
def test_every_decimal_is_given_back(one, other):
    both = unified(one[0], other[0])
    assert both is not None
    assert pa.array([one[1], other[1]], both).to_pylist() == [one[1], other[1]]
