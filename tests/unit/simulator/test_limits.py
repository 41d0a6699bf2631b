from __future__ import annotations

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.limits import AsyncRequest, check


def refusal(**fields: object) -> str | None:
    """What the service answers to an otherwise good inline request, None if it accepts it."""
    request = AsyncRequest(**{"endpoint": "simulated", "body": b"{}"} | fields)
    try:
        check(request)
    except ServiceError as error:
        return f"{error.status} {error}"
    return None


@pytest.mark.parametrize("size", [0, 1, 127_999, 128_000])
def test_bodies_up_to_128_000_bytes(size: int):
    assert refusal(body=b"x" * size) is None


def test_one_byte_more_is_too_much():
    assert refusal(body=b"x" * 128_001) == (
        "400 ValidationError: 1 validation error detected: Value at 'body' failed to satisfy constraint: "
        "Member must have length less than or equal to 128000"
    )


def test_exactly_one_of_body_and_input_location():
    assert refusal(body=None, input_location="s3://b/k") is None
    for body, location in ((None, None), (b"", "s3://b/k"), (b"x", "s3://b/k")):
        assert (
            refusal(body=body, input_location=location)
            == "400 ValidationError: Exactly one of Body and InputLocation must be provided."
        )


GOOD = [
    ("input_location", "s3://b/" + "k" * 1_017),
    ("input_location", "https://b.s3.amazonaws.com/k"),
    ("content_type", ""),
    ("content_type", "x" * 1_024),
    ("accept", "application/json; charset=utf-8"),
    ("custom_attributes", "".join(map(chr, range(0x20, 0x7F)))),
    ("inference_id", "x"),
    ("inference_id", "a b" + "x" * 61),
    ("output_extension", "fanout/abcdefghij/0f"),
    ("output_extension", "!_.*'()/-" + "x" * 503),
    ("filename", "7.0"),
    ("filename", "a" + "-" * 31),
    ("ttl_s", 60),
    ("ttl_s", 21_600),
    ("invocation_timeout_s", 1),
    ("invocation_timeout_s", 3_600),
]
BAD = [
    ("input_location", "", "inputLocation"),
    ("input_location", "s3://b/" + "k" * 1_018, "inputLocation"),
    ("input_location", "http://b/k", "inputLocation"),
    ("input_location", "s3:///k", "inputLocation"),
    ("content_type", "x" * 1_025, "contentType"),
    ("content_type", "text/é", "contentType"),
    ("accept", "x" * 1_025, "accept"),
    ("custom_attributes", "x" * 1_025, "customAttributes"),
    ("custom_attributes", "a\nb", "customAttributes"),
    ("custom_attributes", "a\x7fb", "customAttributes"),
    ("inference_id", "", "inferenceId"),
    ("inference_id", "x" * 65, "inferenceId"),
    ("inference_id", " x", "inferenceId"),
    ("inference_id", "é", "inferenceId"),
    ("inference_id", "x\n", "inferenceId"),
    ("output_extension", "", "s3OutputPathExtension"),
    ("output_extension", "x" * 513, "s3OutputPathExtension"),
    ("output_extension", "s3://b", "s3OutputPathExtension"),
    ("output_extension", "https://b", "s3OutputPathExtension"),
    ("output_extension", "a b", "s3OutputPathExtension"),
    ("filename", "", "filename"),
    ("filename", "x" * 33, "filename"),
    ("filename", "a.b.c", "filename"),
    ("filename", ".a", "filename"),
    ("filename", "../a", "filename"),
    ("filename", "a/b", "filename"),
    ("filename", "a\n", "filename"),
    ("ttl_s", 59, "requestTTLSeconds"),
    ("ttl_s", 0, "requestTTLSeconds"),
    ("ttl_s", 21_601, "requestTTLSeconds"),
    ("invocation_timeout_s", 0, "invocationTimeoutSeconds"),
    ("invocation_timeout_s", 3_601, "invocationTimeoutSeconds"),
]


def with_field(field: str, value: object) -> dict[str, object]:
    return {field: value} | ({"body": None} if field == "input_location" else {})


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_fields_at_their_limits_are_accepted(field: str, value: object):
    assert refusal(**with_field(field, value)) is None


@pytest.mark.parametrize(("field", "value", "name"), BAD)
def test_fields_beyond_their_limits_are_refused_by_name(field: str, value: object, name: str):
    message = refusal(**with_field(field, value))
    assert message is not None
    expected = (
        f"400 ValidationError: 1 validation error detected: Value at '{name}' failed to satisfy constraint: "
    )
    assert message.startswith(expected)
