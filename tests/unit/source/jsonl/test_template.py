"""Templates: holes for columns, literals for the rest."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from fanout.config.load import load_config
from fanout.errors import UsageError
from fanout.runtime.settings import selection as select
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
        ({"cost": "$$5", "$a": "$", "t": "$a"}, {"a": 1}, '{"cost":"$5","$a":"$","t":1}'),
        (MappingProxyType({"a": (True, None), "q": "$q"}), {"q": 0}, '{"a":[true,null],"q":0}'),
        ("$q", {"q": 2**70}, str(2**70)),
    ],
)  # fmt: skip
def test_render(template, values, payload):
    assert Template.compile(template).render(values) == payload.encode()


@pytest.mark.parametrize(
    ("text", "values", "payload"),
    [
        ("Summarize: $text", {"text": "hello"}, "Summarize: hello"),
        ("$a$b, $a. ${b}s $$a $ $", {"a": "x", "b": "y"}, "xy, x. ys $a $ $"),
        ('say "$a"\n', {"a": 'q"\\\n\u00e9'}, 'say "q"\\\n\u00e9"\n'),
        ("n=$n b=$b f=$f o=$o", {"n": 2**70, "b": True, "f": 0.5, "o": {"k": ["v", None]}},
         f'n={2**70} b=true f=0.5 o={{"k":["v",null]}}'),
        ("in ${meta.lang}: $meta.lang.", {"meta.lang": "de"}, "in de: de."),
        ("${my column}?", {"my column": 1}, "1?"),
        ("[INST] $text [/INST]", {"text": "hi"}, "[INST] hi [/INST]"),
        ("<${a?}>", {}, "<>"),
        ("<${a?}>", {"a": None}, "<>"),
    ],
)  # fmt: skip
def test_a_column_inside_a_text_is_substituted(text, values, payload):
    assert json.loads(Template.compile({"t": text}).render(values)) == {"t": payload}
    assert json.loads(Template.compile(text).render(values)) == payload


def test_a_hole_alone_keeps_its_type_and_may_be_null_or_optional():
    template = Template.compile(["$a", "${a}", "${b?}", "$with-dash"], known=("with-dash",))
    assert template.render({"a": None, "with-dash": [1]}) == b"[null,null,null,[1]]"
    assert (template.names, template.optional) == (("a", "b", "with-dash"), {"b"})


def test_a_null_inside_a_text_is_not_the_word_null():
    with pytest.raises(BadRow) as caught:
        Template.compile("Summarize: $text").render({"text": None})
    assert (caught.value.code, caught.value.message) == (
        "NullPayload",
        "column 'text' is null inside a text of the template: ${text?} leaves it out",
    )


@pytest.mark.parametrize(
    "text", ['{"inputs":"$body","n":[1,null]}', ' {"inputs": "$body", "n": [1, null]}\n']
)
def test_a_text_that_is_json_is_the_template_that_it_says(text):
    template = Template.compile(text)
    assert template.render({"body": {"a": 1}}) == b'{"inputs":{"a":1},"n":[1,null]}'
    assert Template.compile('["$body"]').render({"body": 1}) == b"[1]"
    assert Template.compile('"$body"').render({"body": 1}) == b"1"


def test_an_environment_variable_says_a_template(read, jsonl, parquet):
    environ = {"FANOUT_PAYLOAD_TEMPLATE": '{"inputs":"$body","p":"of $body"}'}
    selection = select(load_config(None, environ=environ, flags={}))
    payload = b'{"inputs":"hello","p":"of hello"}'
    assert read(jsonl([b'{"body":"hello"}']), selection).payloads == [payload]
    assert read(parquet({"body": ["hello"]}), selection).payloads == [payload]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ('{"inputs":"$body"', "template: begins like a JSON object, and is not JSON: "),
        ({"prompt": "Summarize:"}, "template: uses no column, so every row would be sent the same"),
        ({"$a": 1}, "template: uses no column"),
        ("costs $$5", "template: uses no column"),
        ('{"n": 1}', "template: uses no column"),
        ([], "template: uses no column"),
    ],
)
def test_a_template_without_a_hole_is_refused(template, message):
    with pytest.raises(UsageError) as caught:
        Template.compile(template)
    assert str(caught.value).startswith(message)


def test_names_are_listed_once_in_order():
    assert Template.compile(["$b", {"x": "$a"}, "$b", "$$c"]).names == ("b", "a")


def test_fields_whose_names_look_like_holes_are_still_fields():
    template = Template.of_fields(("$a", 'q"'))
    assert json.loads(template.render({"$a": 1, 'q"': 2})) == {"$a": 1, 'q"': 2}
    assert Template.of_fields(()).render({}) == b"{}"


def test_a_field_of_an_object_is_sent_under_its_own_name():
    assert (
        Template.of_fields(("a.b", "c.d"), known=("c.d",)).render({"a.b": 1, "c.d": 2}) == b'{"b":1,"c.d":2}'
    )
    with pytest.raises(UsageError) as caught:
        Template.of_fields(("a.text", "text"))
    assert str(caught.value) == (
        "payload fields: 'a.text' and 'text' would both be sent as 'text': use a template"
    )


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


@pytest.mark.parametrize(
    ("template", "name"), [("costs $5", "5"), ("$5", "5"), ({"a": ["$3.50 each"]}, "3.50")]
)
def test_a_sum_of_money_is_no_column(template, name):
    with pytest.raises(UsageError) as caught:
        Template.compile(template, known=("price",))
    assert str(caught.value) == (
        f'template: ${name} would be the column {name!r}: write "$${name}" for a sum in dollars, '
        f'or "${{{name}}}" for the column'
    )


def test_a_column_may_be_called_by_a_number():
    values = {"5": "five", "0": {"a": 1}}
    assert Template.compile("$5", known=("5",)).render(values) == b'"five"'
    assert Template.compile("it is $0.a", known=("0",)).names == ("0.a",)
    assert Template.compile("${5}").render(values) == b'"five"'
