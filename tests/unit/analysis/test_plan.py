"""What a run would come to, as values: its calls by service, its exit code, its JSON."""

from __future__ import annotations

import json

import pytest

from fanout.analysis.forecast import Forecast
from fanout.analysis.plan import Plan
from fanout.analysis.planned_rows import PlannedRows
from fanout.analysis.prices import requests
from fanout.domain.location import Location
from fanout.domain.records import Inline, Options, Record, Rejected, Staged, Upload
from fanout.errors import Exit

OPTIONS = Options(accept="image/png")
NOTHING = {"sns:Publish": 0, "sqs:SendMessage": 0, "sqs:ReceiveMessage": 0, "sqs:DeleteMessageBatch": 0}


def plan(rows, *, kept=False, refused=None, **asked):
    return Plan(
        endpoint=None, region=None, described=None, rows=rows,
        requests=requests(rows.by_transport, parts=rows.parts, **asked), uploads_kept=kept,
        dollars=0.1, dollars_most=0.2,
        service=None, forecast=Forecast(rate_s=None), refused=refused, not_asked=(), lacking=(), warnings=(),
    )  # fmt: skip


@pytest.fixture
def rows():
    found = PlannedRows(show=3)
    for row in range(21):
        found.add(Record(row, None, b"abc", OPTIONS), Inline(OPTIONS, b"abc"))
    place = Location("bucket", "key")
    found.add(Record(21, None, b"x" * (40 << 20), OPTIONS), Upload(OPTIONS, b"", place))
    found.add(Record(22, None, b"x", OPTIONS), Upload(OPTIONS, b"", place))
    found.add(Record(23, None, b"", OPTIONS, location="s3://b/k"), Staged(OPTIONS, "s3://b/k"))
    return found


def counts(planned):
    return {call.name: call.count for call in planned.calls()}


def test_the_calls_by_service(rows):
    planned = plan(rows)
    assert counts(planned) == {
        "sagemaker:InvokeEndpointAsync": 24,
        "s3:PutObject": 24 + 2 + 6,  # outputs, uploads, and five parts, begun and completed
        "s3:GetObject": 24 + 3,
        "s3:DeleteObjects": 1,
        "sns:Publish": 24,
        "sqs:SendMessage": 24,
        "sqs:ReceiveMessage": 3,
        "sqs:DeleteMessageBatch": 3,
    }
    notes = {call.name: call.note for call in planned.calls()}
    assert notes["s3:PutObject"] == "2 uploads in parts (6 calls more), 24 outputs by SageMaker"
    assert notes["s3:GetObject"] == "24 outputs, 3 payloads by SageMaker"
    assert counts(plan(rows, kept=True))["s3:DeleteObjects"] == 0


def test_what_nobody_listens_to_is_told_to_the_topic_alone(rows):
    assert counts(plan(rows, received=False)).items() >= (NOTHING | {"sns:Publish": 24}).items()
    assert counts(plan(rows, published=False)).items() >= NOTHING.items()


def test_its_exit_code_is_the_worst_of_what_is_known(rows):
    assert plan(rows).exit is plan(PlannedRows()).exit is Exit.OK
    rows.reject(Rejected(24, None, "InvalidJSON", "line 25"))
    assert plan(rows).exit is Exit.ROWS_FAILED
    assert plan(rows, refused="it is Creating").exit is Exit.PRECONDITION


def test_its_json_says_null_for_what_is_not_known(rows):
    found = json.loads(json.dumps(plan(rows).as_dict()))
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {
        "endpoint", "region", "instances", "rate_seconds", "service_seconds", "service_from", "seconds",
        "instance_hours", "instance_dollars", "refused",
    }  # fmt: skip
    assert (found["version"], found["exit_code"], found["instance_types"]) == (1, 0, {})
    assert found["by_transport"] == {"inline": 21, "s3": 2, "existing": 1}
    assert found["sizes"] == {"p50": 3, "p99": 40 << 20, "p999": None, "max": 40 << 20}
    assert [each["options"] for each in found["first_rows"]] == [{"accept": "image/png"}] * 3
    assert json.loads(json.dumps(plan(PlannedRows()).as_dict()))["sizes"] == {
        "p50": None,
        "p99": None,
        "p999": None,
        "max": None,
    }
