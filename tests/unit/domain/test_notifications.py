"""What a message says, in every shape that is documented or was seen, and in those that are forged."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc

import pytest

from fanout.domain.notifications import ERROR_TEXT_MAX, Foreign, failure_facts, parse_message
from fanout.domain.records import Notice

RUN = "abcdefghij"
NOW = 1_643_150_800.0
EVENT, RECEIVED = 1_643_150_760.608, 1_643_150_760.455  # 2022-01-25T22:46:00.608Z, .455Z

COMPLETED = {
    "awsRegion": "us-east-1",
    "eventTime": "2022-01-25T22:46:00.608Z",
    "receivedTime": "2022-01-25T22:46:00.455Z",
    "invocationStatus": "Completed",
    "requestParameters": {
        "contentType": "text/csv",
        "endpointName": "e",
        "inputLocation": "s3://in/put",
    },
    "responseParameters": {
        "contentType": "text/csv; charset=utf-8",
        "outputLocation": "s3://bucket/out/fanout/abcdefghij/05/5.0",
    },
    "inferenceId": "abcdefghij.5.0.1",
    "eventVersion": "1.0",
    "eventSource": "aws:sagemaker",
    "eventName": "InferenceResult",
}
FAILED = {
    "awsRegion": "us-east-1",
    "eventTime": "2022-01-25T22:46:00.608Z",
    "receivedTime": "2022-01-25T22:46:00.455Z",
    "invocationStatus": "Failed",
    "failureReason": "ClientError: Received server error (500) from model",
    "requestParameters": {"endpointName": "e"},
    "inferenceId": "abcdefghij.5.0.1",
    "eventVersion": "1.0",
    "eventSource": "aws:sagemaker",
    "eventName": "InferenceResult",
}


def changed(message, **changes):
    return {key: value for key, value in (message | changes).items() if value is not ...}


def parse(message, *, trust=False):
    body = message if isinstance(message, str) else json.dumps(message)
    return parse_message(body, run_id=RUN, now=NOW, receipt="receipt", trust=trust)


def enveloped(message):
    return {
        "Type": "Notification",
        "MessageId": "11111111-2222-3333-4444-555555555555",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:done",
        "Message": json.dumps(message),
        "Timestamp": "2022-01-25T22:46:00.700Z",
        "SignatureVersion": "1",
        "Signature": "c2ln",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/cert.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    }


@pytest.mark.parametrize("wrap", [dict, enveloped], ids=["raw", "enveloped"])
def test_a_completion_says_where_and_when(wrap):
    assert parse(wrap(COMPLETED)) == Notice(
        row=5,
        generation=0,
        attempt=1,
        completed=True,
        noticed_by="sqs",
        notified_at=NOW,
        received_at=pytest.approx(RECEIVED, abs=1e-6),
        completed_at=pytest.approx(EVENT, abs=1e-6),
        output_location="s3://bucket/out/fanout/abcdefghij/05/5.0",
        failure_location=None,
        failure_status=None,
        failure_reason=None,
        response=None,
        response_content_type="text/csv; charset=utf-8",
        receipt="receipt",
    )


@pytest.mark.parametrize("wrap", [dict, enveloped], ids=["raw", "enveloped"])
def test_a_failure_says_why(wrap):
    assert parse(wrap(FAILED)) == Notice(
        row=5,
        generation=0,
        attempt=1,
        completed=False,
        noticed_by="sqs",
        notified_at=NOW,
        received_at=pytest.approx(RECEIVED, abs=1e-6),
        completed_at=pytest.approx(EVENT, abs=1e-6),
        failure_status="Failed",
        failure_reason="ClientError: Received server error (500) from model",
        receipt="receipt",
    )


def test_an_expiry_is_a_failure_of_its_own_kind():
    notice = parse(changed(FAILED, invocationStatus="Expired"))
    assert (notice.completed, notice.failure_status) == (False, "Expired")


@pytest.mark.parametrize(
    "changes",
    [
        {"failureLocation": "s3://bucket/failed/5.0"},
        {"responseParameters": {"failureLocation": "s3://bucket/failed/5.0"}},
    ],
    ids=["top", "responseParameters"],
)
def test_a_failure_location_stands_at_either_level(changes):
    assert parse(changed(FAILED, **changes)).failure_location == "s3://bucket/failed/5.0"


def test_an_https_location_is_passed_on_for_comparison():
    url = "https://bucket.s3.us-east-1.amazonaws.com/out/fanout/abcdefghij/05/5.0"
    assert parse(changed(COMPLETED, responseParameters={"outputLocation": url})).output_location == url


@pytest.mark.parametrize("parameters", [..., {}, None, "text", 3, [1]])
def test_the_shape_of_the_parameters_does_not_matter(parameters):
    notice = parse(changed(COMPLETED, requestParameters=parameters, responseParameters=parameters))
    assert (notice.row, notice.completed, notice.output_location) == (5, True, None)


# Times


@pytest.mark.parametrize("digits", range(10))
def test_fractions_of_seconds_vary_in_length(digits):
    fraction = "123456789"[:digits]
    text = f"2022-01-25T22:46:00{'.' if digits else ''}{fraction}Z"
    expected = 1_643_150_760 + (float(f"0.{fraction}") if digits else 0.0)
    notice = parse(changed(COMPLETED, eventTime=text, receivedTime=text))
    assert notice.completed_at == pytest.approx(expected, abs=1.5e-6)
    assert notice.received_at == pytest.approx(expected, abs=1.5e-6)


@pytest.mark.parametrize(
    "text", ["2022-01-25T22:46:00.608+00:00", "2022-01-25T23:46:00.608+01:00", "2022-01-25T22:46:00.608"]
)
def test_an_offset_is_honoured_and_none_means_utc(text, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        notice = parse(changed(COMPLETED, eventTime=text))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert notice.completed_at == pytest.approx(EVENT, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        ...,
        None,
        "",
        "yesterday",
        "2022-13-45T99:99:99Z",
        1_643_150_760,
        1e400,
        [],
        {},
        "0000-00-00T00:00:00Z",
        "9" * 10_000,
    ],
)
def test_a_time_that_is_none_is_left_out(value):
    text = json.dumps(changed(COMPLETED, eventTime=value, receivedTime=value)).replace("Infinity", "1e400")
    notice = parse(text)
    if isinstance(notice, Foreign):  # 1e400 is no JSON to every reader
        assert value == 1e400
    else:
        assert (notice.row, notice.completed_at, notice.received_at) == (5, None, None)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_ends_of_time_raise_nothing(text):
    assert parse(changed(COMPLETED, eventTime=text)).row == 5


# The response that rides along


def riding(content, encoding="BASE64"):
    return changed(COMPLETED, responseBody={"content": content, "message": "ok", "encoding": encoding})


@pytest.mark.parametrize(
    "response", [b"", b"x", b"\x00\xff\xfe", b'{"a": 1}', b"r" * 128_000], ids=lambda value: str(len(value))
)
def test_a_response_that_rides_along_is_taken_from_a_trusted_topic(response):
    content = base64.b64encode(response).decode()
    assert parse(riding(content), trust=True).response == response
    assert parse(enveloped(riding(content)), trust=True).response == response


def test_a_response_that_rides_along_is_not_taken_otherwise():
    notice = parse(riding("eA=="))
    assert (notice.row, notice.completed, notice.response) == (5, True, None)


@pytest.mark.parametrize(
    "content",
    [
        "eA",
        "eA=",
        "eA===",
        "e A=",
        "eA==\n",
        "eA==eA==",
        "*A==",
        "e-_=",
        "é===",
        "\ud800",
        None,
        3,
        [],
        {},
        ["eA=="],
    ],
    ids=ascii,
)
def test_a_response_that_does_not_decode_strictly_is_fetched(content):
    notice = parse(riding(content), trust=True)
    if isinstance(notice, Foreign):  # a lone surrogate is no UTF-8, so no JSON
        assert content == "\ud800"
    else:
        assert (notice.row, notice.completed, notice.response) == (5, True, None)


@pytest.mark.parametrize("encoding", ["base64", "", "JSON", "CSV", None, 64, "BASE64 "])
def test_a_response_in_another_encoding_is_fetched(encoding):
    assert parse(riding("eA==", encoding), trust=True).response is None


@pytest.mark.parametrize(
    "body", [None, "eA==", [], 3, {}, {"content": "eA=="}, {"encoding": "BASE64"}], ids=str
)
def test_a_response_body_of_another_shape_is_fetched(body):
    assert parse(changed(COMPLETED, responseBody=body), trust=True).response is None


def test_the_body_of_a_failure_is_no_response():
    body = {"content": "eA==", "message": "no", "encoding": "BASE64"}
    assert parse(changed(FAILED, responseBody=body), trust=True).response is None


# What is not about a row of this run


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "not JSON",
        "{",
        '{"inferenceId": "abcdefghij.5.0.1", "invocationStatus": "Completed"',
        '{"inferenceId": "abcdefghij.5.0.1"} {}',
        "null",
        "[]",
        "[1]",
        "3",
        '"text"',
        "NaN",
        "true",
        "\ufeff{}",
        "\x00",
        "\ud800",
    ],
    ids=ascii,
)
def test_what_is_no_json_object_is_nobodys(body):
    assert parse(body) == Foreign(ours=False, reason="not a JSON object")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"inferenceId":'])
def test_a_message_20_000_deep_is_nobodys(opening):
    closing = {"[": "]"}.get(opening, "}")
    assert parse(opening * 20_000 + "1" + closing * 20_000) == Foreign(ours=False, reason="not a JSON object")


def test_a_deep_message_in_an_envelope_is_nobodys():
    envelope = enveloped(None) | {"Message": "[" * 20_000 + "]" * 20_000}
    assert parse(envelope) == Foreign(ours=False, reason="not a JSON object")


@pytest.mark.parametrize(
    "garbage",
    ["x" * 2**20, "[" * 2**20, "9" * 2**20, '"' + "a" * 2**20, "\x00" * 2**20],
    ids=lambda value: ascii(value[:2]),
)
def test_a_mebibyte_of_garbage_is_nobodys_and_costs_no_multiple_of_itself(garbage):
    tracemalloc.start()
    try:
        assert parse(garbage) == Foreign(ours=False, reason="not a JSON object")
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("message", [None, 3, [], {}, "", "text", "null", "[1]"], ids=str)
def test_an_envelope_around_something_else_is_nobodys(message):
    assert parse(enveloped({}) | {"Message": message}) in (
        Foreign(ours=False, reason="not a JSON object"),
        Foreign(ours=False, reason="no inferenceId"),
    )


def test_an_envelope_in_an_envelope_is_not_opened():
    assert parse(enveloped(enveloped(COMPLETED))) == Foreign(ours=False, reason="no inferenceId")


@pytest.mark.parametrize("wrap", [dict, enveloped], ids=["raw", "enveloped"])
def test_a_test_notification_is_nobodys(wrap):
    message = {
        "eventName": "TestNotification",
        "eventSource": "aws:sagemaker",
        "eventTime": "2022-01-25T22:46:00.608Z",
    }
    assert parse(wrap(message)) == Foreign(ours=False, reason="no inferenceId")


@pytest.mark.parametrize("value", [..., None, 5, True, [], {}, ["abcdefghij.5.0.1"]], ids=str)
def test_without_an_inference_id_it_is_nobodys(value):
    assert parse(changed(COMPLETED, inferenceId=value)) == Foreign(ours=False, reason="no inferenceId")


@pytest.mark.parametrize(
    "inference_id",
    [
        "11111111-2222-3333-4444-555555555555",
        "",
        "abcdefghij.5.0",
        "abcdefghij.5.0.1.1",
        "abcdefghij.05.0.1",
        "abcdefghij.5.00.1",
        "abcdefghij.5.0.01",
        "abcdefghij.\u0665.0.1",
        "abcdefghij.5.0.\uff11",
        "abcdefghij.-5.0.1",
        "abcdefghij.5.0.1 ",
        "abcdefghij.5.0.1\n",
        "abcdefghij." + "9" * 100_000 + ".0.1",
        "ABCDEFGHIJ.5.0.1",
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_forged_or_foreign_inference_id_is_another_programs(inference_id):
    message = changed(COMPLETED, inferenceId=inference_id)
    assert parse(message) == Foreign(ours=False, reason="another program's inferenceId")


def test_another_runs_message_is_not_ours():
    assert parse(changed(COMPLETED, inferenceId="bbbbbbbbbb.5.0.1")) == Foreign(
        ours=False, reason="another run"
    )


@pytest.mark.parametrize("status", [..., None, 1, [], {}], ids=str)
def test_ours_without_a_status_is_nobody_elses(status):
    message = changed(COMPLETED, invocationStatus=status)
    assert parse(message) == Foreign(ours=True, reason="no invocationStatus")


@pytest.mark.parametrize(
    "message", [changed(COMPLETED, inferenceId="SECRET"), "SECRET", changed(COMPLETED, invocationStatus=...)]
)
def test_the_reason_quotes_nothing_from_the_message(message):
    assert parse(message).reason in {
        "another program's inferenceId",
        "not a JSON object",
        "no invocationStatus",
    }


# What becomes of a failure


@pytest.mark.parametrize(
    ("status", "expected"), [("Failed", ("failed", "ModelFailed")), ("Expired", ("expired", "Expired"))]
)
def test_a_failed_row_has_its_kind_and_reason(status, expected):
    facts = failure_facts(parse(changed(FAILED, invocationStatus=status)), None)
    assert (facts["status"], facts["error_code"]) == expected
    assert facts["error_message"] == "ClientError: Received server error (500) from model"


def test_without_a_reason_the_failure_object_speaks():
    assert failure_facts(parse(changed(FAILED, failureReason=...)), "from S3")["error_message"] == "from S3"


@pytest.mark.parametrize("reason", [..., None, "", 3, []], ids=str)
def test_without_any_text_there_is_no_message(reason):
    assert failure_facts(parse(changed(FAILED, failureReason=reason)), None)["error_message"] is None


def test_a_long_reason_is_cut():
    facts = failure_facts(parse(changed(FAILED, failureReason="r" * 100_000)), None)
    assert facts["error_message"] == "r" * ERROR_TEXT_MAX
    assert (
        len(failure_facts(parse(changed(FAILED, failureReason=...)), "t" * 100_000)["error_message"])
        == ERROR_TEXT_MAX
    )


def test_a_failure_that_a_listing_found_is_a_failure():
    notice = Notice(row=5, generation=0, attempt=None, completed=False, noticed_by="list", notified_at=NOW)
    assert failure_facts(notice, "why") == {
        "status": "failed",
        "error_code": "ModelFailed",
        "error_message": "why",
    }
