"""A plan, for a person: one line is one fact, and nothing in it is taken for a command."""

from __future__ import annotations

import re

import pytest

from fanout.analysis.forecast import Capacity, ServiceTime, forecast
from fanout.analysis.plan import Plan
from fanout.analysis.planned_rows import PlannedRows
from fanout.analysis.prices import requests
from fanout.cli.plan_text import describe
from fanout.domain.location import Location
from fanout.domain.prices import Prices
from fanout.domain.records import Inline, Options, Record, Rejected, Staged, Upload
from fanout.domain.response_fields import ResponseField, Responses
from fanout.ports import Endpoint

EVIL = "\x1b[2J\x9b\u202e\nrm -rf ."
ENDPOINT = Endpoint(
    "model",
    "InService",
    "s3://b/ok",
    None,
    "arn:ok",
    None,
    False,
    None,
    2,
    4,
    instance_types={"ml.g5.xlarge": 2},
)
OPTIONS = Options("application/json")
UNTIMED = (
    "how long the model takes for a row: no run on this endpoint has finished here; name it with --service-s"
)


@pytest.fixture
def make():
    def make(*, service_s=3.6, rows=None, **more):
        rows = rows or PlannedRows()
        service = None if service_s is None else ServiceTime(service_s, "--service-s")
        capacity = Capacity(instances=2, types={"ml.g5.xlarge": 2}, per_instance=4)
        asked = requests(rows.by_transport)
        given = {
            "endpoint": "model", "region": "eu-west-1", "described": ENDPOINT, "rows": rows, "requests": asked,
            "uploads_kept": False, "dollars": asked.dollars(Prices()),
            "dollars_most": requests(rows.by_transport, a_receive=1).dollars(Prices()), "service": service,
            "refused": None,
            "forecast": forecast(
                rows.sendable, rate_s=7.0, service_s=service_s, capacity=capacity, window=100,
                prices={"ml.g5.xlarge": 1.41},
            ),
            "not_asked": (), "lacking": (), "warnings": (),
        }  # fmt: skip
        return Plan(**given | more)

    return make


def filled(show=0):
    rows = PlannedRows(show=show)
    rows.reject(Rejected(0, None, "InvalidJSON", f"line 1: {EVIL}", payload_bytes=7))
    for row in range(1, 801):
        rows.add(Record(row, "id", b"abc", OPTIONS), Inline(OPTIONS, b"abc"))
    place = Location("bucket", "in/02/run/2")
    rows.add(Record(801, None, b"x" * 200_000, OPTIONS), Upload(OPTIONS, b"", place))
    rows.add(Record(802, None, b"", OPTIONS, location="s3://b/k"), Staged(OPTIONS, "s3://b/k"))
    return rows


def test_it_reads_as_this(make):
    assert describe(make(rows=filled())).splitlines() == [
        "803 rows: 802 would be sent, 1 rejected",
        r"  1 x InvalidJSON: line 1: \x1b[2J\x9b\u202e rm -rf .",
        "  transport      rows  payload bytes",
        "  in S3 already     1      not known",
        "  inline          800          2,400",
        "  via S3            1        200,000",
        "payloads: p50 3 bytes, p99 3, largest 200,000",
        "  call                           number  of what",
        "  sagemaker:InvokeEndpointAsync     802",
        "  s3:PutObject                      803  1 upload, 802 outputs by SageMaker",
        "  s3:GetObject                      804  802 outputs, 2 payloads by SageMaker",
        "  s3:DeleteObjects                    1  of uploads, a thousand a call",
        "  sns:Publish                       802  by SageMaker",
        "  sqs:SendMessage                   802  by SNS",
        "  sqs:ReceiveMessage                 81  at best: ten messages a call; up to 802 where they arrive one by one",
        "  sqs:DeleteMessageBatch             81  estimated: ten messages a call",
        (
            "these requests cost $0.0051 by [prices] if each row is served once, up to $0.0054 where messages arrive "
            "one by one"
        ),
        "sending takes 7.0 s at the configured rate",
        "the run takes 6 min 04 s, with 8 rows in the model at once and 3.6 s a row (--service-s)",
        "meanwhile 2 x ml.g5.xlarge run 0.2020 instance hours, which cost $0.2848",
    ]


def test_what_is_wanted_of_responses_has_its_lines(make):
    fields = [
        ResponseField.of("answer", path="$[0].text"),
        ResponseField.of("score", path="$.s", type="float", optional=True),
    ]
    assert describe(make(rows=filled(), responses=Responses("json", fields))).splitlines()[-4:] == [
        "responses are written as json; a row with another is invalid",
        "  column  type     of the response",
        "  answer  string   $[0].text",
        "  score   float32  $.s              null where it is missing",
    ]


def test_what_is_not_known_has_a_line(make):
    said = describe(
        make(service_s=None, not_asked=("the queue",), lacking=("no output: -o",), refused="it is Creating")
    ).splitlines()
    assert [line for line in said if line.startswith(("not known", "could", "a run"))] == [
        f"not known: {UNTIMED}",
        "not known: the queue",
        "a run also needs: no output: -o",
        "a run would not begin: it is Creating",
    ]
    assert not [
        line for line in said if "takes" in line and "sending" not in line and "not known" not in line
    ]


@pytest.mark.parametrize(
    ("payload", "lines"),
    [
        (b'{"a": 1}', ["row 0 (id a), inline, {} bytes, application/json:", '  {"a": 1}']),
        (EVIL.encode(), [..., r"  \x1b[2J\x9b\u202e\nrm -rf ."]),
        (b"\x89PNG\r\n\x1a\n", [..., "  no text; it begins with the bytes 89 50 4e 47 0d 0a 1a 0a"]),
        (b"x" * 900, [..., f"  {'x' * 500} ..."]),
        (b"x" * 9_000, [..., f"  {'x' * 500} ..."]),
        (b"", [..., "  "]),
    ],
)
def test_a_first_row_is_shown_as_it_would_be_sent(make, payload, lines):
    rows = PlannedRows(show=1)
    rows.add(Record(0, "a", payload, OPTIONS), Inline(OPTIONS, payload))
    shown = describe(make(rows=rows)).splitlines()[-2:]
    head, body = lines
    if head is not ...:
        assert shown[0] == head.format(len(payload))
    assert shown[1] == body


def test_no_text_of_a_file_commands_the_terminal_or_begins_a_line(make):
    options = Options(f"text/{EVIL}")
    rows = PlannedRows(show=9)
    rows.reject(Rejected(0, None, f"Code{EVIL}", EVIL))
    rows.add(Record(1, EVIL, EVIL.encode(), options), Inline(options, b""))
    rows.add(Record(2, EVIL, b"", options, location=f"s3://b/{EVIL}"), Staged(options, f"s3://b/{EVIL}"))
    texts = {"not_asked": (EVIL,), "lacking": (EVIL,), "refused": EVIL}
    lines = describe(make(rows=rows, **texts)).splitlines()
    assert not any(re.search("[\x00-\x1f\x7f-\x9f\u202e]", line) for line in lines)
    assert not any(line.startswith("rm") for line in lines)


def test_payloads_of_many_rows_have_a_p999(make):
    rows = filled()
    for row in range(803, 1_203):
        rows.add(Record(row, "id", b"abc", OPTIONS), Inline(OPTIONS, b"abc"))
    assert "payloads: p50 3 bytes, p99 3, p99.9 3, largest 200,000" in describe(make(rows=rows)).splitlines()
