"""Templates: holes for columns, literals for the rest."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from fanout.errors import UsageError
from fanout.source.bad_row import BadRow
from fanout.source.exact_json import Unfit
from fanout.source.jsonl.template import Template
from fanout.source.selection import Selection


@pytest.mark.parametrize(
    ("template", "values", "payload"),
    [
        ("$q", {"q": {"x": [1, None]}}, '{"x":[1,null]}'),
        ({"inputs": "$q", "parameters": {"max_new_tokens": 64}}, {"q": "hi"},
         '{"inputs":"hi","parameters":{"max_new_tokens":64}}'),
        (["$a", "$a", ["$b"], [], {}], {"a": 1, "b": 2.5}, "[1,1,[2.5],[],{}]"),
        ({"cost": "$$5", "$a": "$", "t": "a $a"}, {"a": 1}, '{"cost":"$5","$a":"$","t":"a $a"}'),
        (MappingProxyType({"a": (True, None)}), {}, '{"a":[true,null]}'),
        ("$q", {"q": 2**70}, str(2**70)),
    ],
)  # fmt: skip
def test_render(template, values, payload):
    assert Template.compile(template).render(values) == payload.encode()


def test_names_are_listed_once_in_order():
    assert Template.compile(["$b", {"x": "$a"}, "$b", "$$c"]).names == ("b", "a")


def test_fields_whose_names_look_like_holes_are_still_fields():
    template = Template.of_fields(("$a", 'q"'))
    assert json.loads(template.render({"$a": 1, 'q"': 2})) == {"$a": 1, 'q"': 2}
    assert Template.of_fields(()).render({}) == b"{}"


def test_a_missing_column_names_the_nearest():
    with pytest.raises(BadRow) as caught:
        Template.compile({"x": "$question"}).render({"questions": 1, "z": 2})
    assert (caught.value.code, caught.value.message) == (
        "MissingField",
        "no field 'question' (did you mean 'questions'?)",
    )


@pytest.mark.parametrize(
    "value", [Unfit("is odd"), [1, {"x": Unfit("is odd")}], {"big": 2**70, "y": Unfit("is odd")}]
)
def test_what_json_has_no_text_for_names_its_column(value):
    with pytest.raises(BadRow) as caught:
        Template.compile("$x").render({"x": value})
    assert (caught.value.code, caught.value.message) == ("NotJSON", "column 'x' is odd")


def test_a_template_that_is_not_json_is_refused():
    with pytest.raises(UsageError, match="JSON has no text for nan"):
        Template.compile({"a": float("nan")})


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(payload_column="a", template="$b"), "payload column and template are both set"),
        (Selection(payload_fields=("a",), template=[]), "payload fields and template are both set"),
        (Selection(payload_fields=("a", "a")), "payload fields: 'a' is named twice"),
        (Selection(keep=("k", "x", "k")), "keep: 'k' is named twice"),
    ],
)
def test_a_selection_that_contradicts_itself_is_refused(selection, message):
    with pytest.raises(UsageError, match=message):
        selection.check()
