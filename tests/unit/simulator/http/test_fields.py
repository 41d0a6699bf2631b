"""A JSON request is read as strictly as the service does: a wrong type is an error that names the member."""

from __future__ import annotations

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.fields import Fields

BODY = b'{"s": "x", "n": 3, "t": true, "l": ["a"], "m": {"k": "v"}, "o": [{"s": "y"}], "e": "", "z": null}'


def test_members_of_the_right_type():
    fields = Fields.parse(BODY)
    assert (fields.text("s"), fields.text("e"), fields.integer("n")) == ("x", "", 3)
    assert fields.number("n") == 3.0
    assert (fields.texts("l"), fields.mapping("m")) == (["a"], {"k": "v"})
    assert [entry.text("s") for entry in fields.entries("o")] == ["y"]
    assert [fields.has(name) for name in ("s", "e", "z", "absent")] == [True, False, False, False]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"x": null}'])
def test_what_is_not_there(body):
    fields = Fields.parse(body)
    assert (fields.text_or_none("x"), fields.integer("x")) == (None, None)
    assert (fields.texts("x"), fields.mapping("x"), fields.entries("x")) == ([], {}, [])
    with pytest.raises(ServiceError, match="must contain the parameter x") as caught:
        fields.number("x")
    with pytest.raises(ServiceError, match="must contain the parameter x") as caught:
        fields.text("x")
    assert (caught.value.status, caught.value.code) == (400, "MissingParameter")


@pytest.mark.parametrize(
    ("read", "name", "words"),
    [
        (Fields.text, "n", "a string for n"),
        (Fields.text_or_none, "l", "a string for l"),
        (Fields.number, "s", "a number for s"),
        (Fields.number, "t", "a number for t"),
        (Fields.integer, "s", "an integer for s"),
        (Fields.integer, "t", "an integer for t"),  # true is no 1
        (Fields.texts, "s", "a list of strings for s"),
        (Fields.texts, "o", "a list of strings for o"),
        (Fields.mapping, "l", "a map of strings for l"),
        (Fields.entries, "l", "a list of objects for l"),
        (Fields.entries, "m", "a list of objects for m"),
    ],
)
def test_a_wrong_type_is_refused(read, name, words):
    with pytest.raises(ServiceError, match=words) as caught:
        read(Fields.parse(BODY), name)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"1"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ServiceError) as caught:
        Fields.parse(body)
    assert (caught.value.status, caught.value.code) == (400, "SerializationException")
