"""What is made of responses: their fields, and why some cannot be used."""

from __future__ import annotations

import pytest

from fanout.domain.records import Outcome
from fanout.domain.response_fields import TAKES_ANY, Problem, ResponseField, Responses

ANSWER = ResponseField.of("answer", path="$[0].generated_text")
SCORE = ResponseField.of("score", path="$[0].score", type="float64", optional=True)
LABEL = ResponseField.of("label", path="$.label")


def read(body, *fields, form="bytes"):
    return Responses(form, fields).read(body)


def test_fields_come_in_their_order():
    assert read(b'[{"score": 2, "generated_text": "yes"}]', ANSWER, SCORE) == ("yes", 2.0)
    assert read(b'[{"score": 2, "generated_text": "yes"}]', SCORE, ANSWER) == (2.0, "yes")


@pytest.mark.parametrize(
    "body", [b'[{"generated_text": "yes"}]', b'[{"generated_text": "yes", "score": null}]']
)
def test_what_is_optional_may_be_missing_or_null(body):
    assert read(body, ANSWER, SCORE) == ("yes", None)


@pytest.mark.parametrize(
    ("body", "field", "code", "said"),
    [
        (b'{"label": null}', LABEL, "FieldMissing", "label: $.label is null, and the field is not optional"),
        (b'{"lable": "a"}', LABEL, "FieldMissing",
         "label: the response has no $.label: $ is an object without it; did you mean 'lable'?"),
        (b'{"x": 1, "y": 2}', LABEL, "FieldMissing",
         "label: the response has no $.label: $ is an object with 'x', 'y'"),
        (b"{}", LABEL, "FieldMissing", "label: the response has no $.label: $ is an empty object"),
        (b"[]", ANSWER, "FieldMissing",
         "answer: the response has no $[0].generated_text: $ is an array of 0 elements"),
        (b'["text"]', ANSWER, "FieldMissing", "answer: the response has no $[0].generated_text: $[0] is a text"),
        (b"3", LABEL, "FieldMissing", "label: the response has no $.label: $ is a number"),
        (b'{"label": 3}', LABEL, "FieldType", "label: at $.label, 3 is not string"),
        (b'[{"score": "high"}]', SCORE, "FieldType", 'score: at $[0].score, "high" is not float64, a number'),
        (b"", LABEL, "ResponseNotJSON", "the response is empty, which is not JSON"),
        (b'{"label": NaN}', LABEL, "ResponseNotJSON",
         "the response is not JSON: unexpected character, expected a JSON value (line 1, column 11)"),
        (b'{"label":\n "a"', LABEL, "ResponseNotJSON",
         "the response is not JSON: unexpected end of data (line 2, column 5)"),
        (b"\xff{}", LABEL, "ResponseNotText", "the response is not UTF-8 text: byte 1 of 3"),
    ],
)  # fmt: skip
def test_a_response_that_cannot_be_used_says_why(body, field, code, said):
    assert read(body, field) == Problem(code, said)


def test_all_that_is_wrong_is_said_up_to_three():
    fields = [ResponseField.of(name, path=f"$.{name}", type="int8") for name in "abcde"]
    problem = read(b'{"a": "x", "c": 1, "b": 300}', *fields)
    assert problem == Problem(
        "FieldType",
        'a: at $.a, "x" is not int8, a whole number. b: at $.b, 300 is not int8, from -128 to 127. '
        "d: the response has no $.d: $ is an object with 'a', 'c', 'b'. and 1 field more",
    )


@pytest.mark.parametrize(
    ("form", "body", "code"),
    [
        ("bytes", b"\xff", None),
        ("text", b"\xff", "ResponseNotText"),
        ("text", b"not JSON", None),
        ("text", b"", None),
        ("json", b"not JSON", "ResponseNotJSON"),
        ("json", b" {} ", None),
        ("json", b"", "ResponseNotJSON"),
    ],
)
def test_a_form_takes_what_it_is(form, body, code):
    found = read(body, form=form)
    assert (found.code if isinstance(found, Problem) else None) == code


def outcome(**facts):
    return Outcome(row=0, id=None, passthrough=(), **facts)


def test_a_row_whose_response_cannot_be_used_is_invalid_and_keeps_it():
    row = outcome(status="succeeded", response=b'{"x": 1}')
    Responses("bytes", [LABEL]).apply(row)
    assert (row.status, row.error_code, row.response, row.fields) == (
        "invalid",
        "FieldMissing",
        b'{"x": 1}',
        (),
    )


def test_a_row_that_did_not_succeed_stays_as_it_is():
    row = outcome(status="failed", error_code="ModelFailed", error_message="why")
    Responses("json", [LABEL]).apply(row)
    assert (row.status, row.error_code, row.error_message) == ("failed", "ModelFailed", "why")


def test_a_row_that_succeeded_has_its_fields():
    row = outcome(status="succeeded", response=b'{"label": "cat"}')
    Responses("bytes", [LABEL]).apply(row)
    assert (row.status, row.fields, row.error_code) == ("succeeded", ("cat",), None)


def test_without_a_wish_no_response_is_looked_at():
    class Unread:
        def __len__(self):
            raise AssertionError

    row = outcome(status="succeeded", response=Unread())
    TAKES_ANY.apply(row)
    assert (row.status, row.fields) == ("succeeded", ())
