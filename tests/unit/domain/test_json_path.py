"""Paths into JSON values: which are taken, where they lead, what is said of the others."""

from __future__ import annotations

import json

import jsonpath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.domain.json_path import NOTHING, find, path_of, singular_steps

DOCUMENT = {"a": [{"b c": 1}, None, [2, 3]], "": {"'": "quoted"}, "0": "name"}


@pytest.mark.parametrize(
    ("path", "steps", "value"),
    [
        ("$", (), DOCUMENT),
        ("$.a[0]['b c']", ("a", 0, "b c"), 1),
        ('$["a"][-1][-2]', ("a", -1, -2), 2),
        ("$['']['\\'']", ("", "'"), "quoted"),
        ("$['\\u0061'][1]", ("a", 1), None),
        ("$['0']", ("0",), "name"),
        ("$[0]", (0,), NOTHING),  # an index finds nothing in an object, not even its member "0"
        ("$.a['0']", ("a", "0"), NOTHING),
        ("$.a[3]", ("a", 3), NOTHING),
        ("$.a[-4]", ("a", -4), NOTHING),
        ("$.a[1].b", ("a", 1, "b"), NOTHING),
        ("$.A", ("A",), NOTHING),
    ],
)
def test_a_singular_path_leads_to_one_value_or_to_nothing(path, steps, value):
    assert singular_steps(path) == steps
    assert find(DOCUMENT, steps) is value or find(DOCUMENT, steps) == value
    assert singular_steps(path_of(steps)) == steps


@pytest.mark.parametrize("path", ["$..a", "$[*]", "$.a[0:1]", "$['a','b']", "$.a[?@.b]", "$.*"])
def test_a_path_to_any_number_of_values_is_refused(path):
    with pytest.raises(ValueError, match="names any number of values: a column takes one"):
        singular_steps(path)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("answer", " at character 1"),
        ("", ""),
        ("$.a[", ""),
        ("$[01]", " at character 3"),
        ("$.a b", " at character 5"),
    ],
)
def test_what_is_no_path_is_refused_with_its_place(path, place):
    with pytest.raises(ValueError, match=rf"^is not a JSON path \(RFC 9535\){place}; write one such as "):
        singular_steps(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


# Without control characters, whose escapes the library refuses.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=2)


@given(JSON, st.lists(NAMES | st.integers(-3, 3), max_size=3))
def test_it_finds_what_the_library_finds(value, steps):
    match = jsonpath.JSONPathEnvironment(strict=True).compile(path_of(tuple(steps))).match(value)
    found = find(value, tuple(steps))
    assert found is NOTHING if match is None else json.dumps(found) == json.dumps(match.value)
