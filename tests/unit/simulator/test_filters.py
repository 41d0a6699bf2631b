from __future__ import annotations

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.filters import compile_filter


@pytest.mark.parametrize(
    ("policy", "message", "passes"),
    [
        ('{"inferenceId":[{"prefix":"run1."}]}', {"inferenceId": "run1.7.0.0"}, True),
        ('{"inferenceId":[{"prefix":"run1."}]}', {"inferenceId": "run10.7.0.0"}, False),
        ('{"inferenceId":[{"prefix":"run1."}]}', {"inferenceId": 1}, False),
        ('{"inferenceId":[{"prefix":"run1."}]}', {}, False),
        ('{"inferenceId":[{"prefix":"run1."}]}', False, False),
        ('{"inferenceId":[{"prefix":"run1."}]}', ["run1."], False),
        ('{"s":["Completed","Failed"]}', {"s": "Failed"}, True),
        ('{"s":["Completed","Failed"]}', {"s": "Expired"}, False),
        ('{"s":["Completed"]}', {"s": ["Failed", "Completed"]}, True),
        ('{"s":["Completed"]}', {"s": []}, False),
        ('{"a":["x"],"b":["y"]}', {"a": "x", "b": "y"}, True),
        ('{"a":["x"],"b":["y"]}', {"a": "x", "b": "z"}, False),
        ('{"r":{"endpointName":["e"]}}', {"r": {"endpointName": "e"}}, True),
        ('{"r":{"endpointName":["e"]}}', {"r": {"endpointName": "f"}}, False),
        ('{"r":{"endpointName":["e"]}}', {"r": "e"}, False),
        ('{"r":{"endpointName":["e"]}}', {"endpointName": "e"}, False),
        ('{"n":[1]}', {"n": 1}, True),
        ('{"n":[1]}', {"n": True}, False),
        ('{"n":[null]}', {"n": None}, True),
        ('{"n":[null]}', {}, False),
        ('{"s":[{"suffix":".out"}]}', {"s": "a.out"}, True),
        ('{"s":[{"suffix":".out"}]}', {"s": "a.in"}, False),
        ('{"s":[{"equals-ignore-case":"Failed"}]}', {"s": "fAILED"}, True),
        ('{"s":[{"anything-but":["a","b"]}]}', {"s": "c"}, True),
        ('{"s":[{"anything-but":["a","b"]}]}', {"s": "b"}, False),
        ('{"s":[{"anything-but":{"prefix":"a"}}]}', {"s": "abc"}, False),
        ('{"s":[{"anything-but":"a"}]}', {}, False),
        ('{"s":[{"exists":true}]}', {"s": None}, True),
        ('{"s":[{"exists":true}]}', {}, False),
        ('{"s":[{"exists":false}]}', {}, True),
        ('{"s":[{"exists":false}]}', {"s": 1}, False),
    ],
)
def test_a_message_passes_if_every_key_meets_one_of_its_conditions(
    policy: str, message: object, *, passes: bool
):
    compiled = compile_filter(policy)
    assert compiled is not None
    assert compiled.passes(message) is passes


@pytest.mark.parametrize("policy", ["", "{}"])
def test_an_empty_policy_is_no_filter(policy: str):
    assert compile_filter(policy) is None


@pytest.mark.parametrize(
    "policy",
    ["[]", "{", '{"a":"b"}', '{"a":[]}', '{"a":[{"numeric":[">",1]}]}', '{"a":[{"prefix":1}]}', '{"a":[{}]}',
     '{"a":[{"exists":"yes"}]}'],
)  # fmt: skip
def test_a_policy_that_is_none_is_refused(policy: str):
    with pytest.raises(ServiceError, match=r"^InvalidParameter: Invalid parameter: FilterPolicy"):
        compile_filter(policy)
