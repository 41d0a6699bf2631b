"""What of AWS a configuration uses, as far as the endpoint is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fanout.commands.infra.uses import Key, Place, Verb, placeholders, uses_of, verb_of
from fanout.config.load import load_config
from fanout.errors import UsageError
from fanout.ports import Endpoint

ENDPOINT = Endpoint(
    "Mine",
    "InService",
    output_path="s3://results/out/",
    failure_path="s3://results/bad",
    success_topic="arn:aws-cn:sns:cn-north-1:123456789012:ok",
    error_topic="arn:aws-cn:sns:cn-north-1:123456789012:bad",
    includes_response=False,
    kms_key_id="alias/outputs",
    instances=1,
    concurrency_per_instance=None,
    arn="arn:aws-cn:sagemaker:cn-north-1:123456789012:endpoint/mine",
)


def uses(verb=Verb.RUN, *, endpoint=ENDPOINT, region="cn-north-1", account_id=None, **sections):
    config = load_config(flags={"endpoint": {"name": "Mine"}, **sections})
    return uses_of(config, verb, endpoint=endpoint, region=region, account_id=account_id)


def standing(found):
    return placeholders(found.account, found.topics, found.results)


def objects(places):
    return [place.objects.removeprefix("arn:aws-cn:s3:::") for place in places]


def test_what_aws_says_of_the_endpoint_is_used():
    found = uses()
    assert found.endpoint == ENDPOINT.arn
    assert objects(found.results) == ["results/out/*", "results/bad/*"]
    assert found.results_key == Key("arn:aws-cn:kms:cn-north-1:123456789012:key/*", "alias/outputs")
    assert found.topics == ENDPOINT.topics
    assert (found.inputs, found.uploads, found.output, found.shared_queue) == ((), None, None, None)
    assert standing(found) == ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("s3://results", ["results/*", "results/bad/*"]),
        ("https://results.s3.cn-north-1.amazonaws.com.cn/out", ["results/out/*", "results/bad/*"]),
        ("https://s3.cn-north-1.amazonaws.com.cn/results/out/", ["results/out/*", "results/bad/*"]),
        ("s3://results/bad", ["results/bad/*"]),
        (None, ["OUTPUT-BUCKET/*", "results/bad/*"]),
    ],
)
def test_results_stand_below_the_endpoints_paths(path, found):
    assert objects(uses(endpoint=replace(ENDPOINT, output_path=path)).results) == found
    assert objects(uses(endpoint=replace(ENDPOINT, output_path=path, failure_path=None)).results) == found[:1]


def test_placeholders_stand_for_what_could_not_be_asked():
    found = uses(endpoint=None, region=None)
    assert found.endpoint == "arn:aws:sagemaker:REGION:ACCOUNT-ID:endpoint/mine"
    assert objects(found.results)[0].endswith("OUTPUT-BUCKET/*")
    assert standing(found) == ("REGION", "ACCOUNT-ID", "OUTPUT-BUCKET", "SUCCESS-TOPIC", "ERROR-TOPIC")
    known = uses(
        endpoint=None, region="us-gov-west-1", account_id="210987654321", collect={"notifications": False}
    )
    assert known.endpoint == "arn:aws-us-gov:sagemaker:us-gov-west-1:210987654321:endpoint/mine"
    assert standing(known) == ("OUTPUT-BUCKET",)


@pytest.mark.parametrize(
    ("path", "read", "listed"),
    [
        ("rows.jsonl", [], []),
        ("-", [], []),
        ("s3://lake/a/rows.jsonl.gz", ["lake/a/rows.jsonl.gz"], []),
        ("s3://lake/a", ["lake/a", "lake/a/*"], ["a/*"]),
        ("s3://lake/a/", ["lake/a/*"], ["a/*"]),
        ("s3://lake", ["lake/*"], ["*"]),
        ("s3://lake/a/part-*.parquet", ["lake/a/part-*.parquet"], ["a/part-*"]),
        ("s3://lake/**/[ab]?.jsonl", ["lake/*/??.jsonl"], ["*"]),
        ("s3://lake/$${x}.jsonl", ["lake/$${$}{x}.jsonl"], []),
    ],
)
def test_an_input_is_read_and_listed_as_its_name_says(path, read, listed):
    found = uses(input={"paths": [path]})
    assert objects(found.inputs) == read
    assert [place.prefix for place in found.listed_inputs] == listed


def test_an_input_that_is_named_twice_is_one():
    assert objects(uses(input={"paths": ["s3://l/a.jsonl", "s3://l/a.jsonl"]}).inputs) == ["l/a.jsonl"]


@pytest.mark.parametrize(
    ("transport", "uploads"),
    [
        ({"input_prefix": "s3://up/in/"}, Place("arn:aws-cn:s3:::up", "arn:aws-cn:s3:::up/in/*", "in/*")),
        ({"input_prefix": "s3://up"}, Place("arn:aws-cn:s3:::up", "arn:aws-cn:s3:::up/*", "*")),
        ({"input_prefix": "s3://up/in", "mode": "inline"}, None),
    ],
)
def test_payloads_are_uploaded_below_their_prefix(transport, uploads):
    assert uses(transport=transport).uploads == uploads


def test_an_output_in_s3_is_an_object_or_a_prefix_and_a_bench_writes_none():
    one = uses(output={"path": "s3://o/answers.parquet"})
    assert (one.output.objects, one.dataset) == ("arn:aws-cn:s3:::o/answers.parquet", False)
    many = uses(output={"path": "s3://o/answers/"})
    assert (many.output.objects, many.output.prefix, many.dataset) == (
        "arn:aws-cn:s3:::o/answers/*",
        "answers/*",
        True,
    )
    assert uses(output={"path": "answers.parquet"}).output is None
    assert uses(Verb.BENCH, output={"path": "s3://o/answers/"}).output is None


def test_a_shared_queue_is_used_instead_of_one_of_the_runs_own():
    found = uses(collect={"queue_url": "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/shared"})
    assert (found.shared_queue, found.topics) == ("arn:aws-cn:sqs:cn-north-1:210987654321:shared", ())


def test_a_policy_needs_an_endpoint_of_aws():
    with pytest.raises(UsageError, match="name it with --endpoint"):
        uses_of(load_config(), Verb.RUN, endpoint=None, region=None, account_id=None)
    with pytest.raises(UsageError, match="the local AWS asks for no rights"):
        uses(local={"enabled": True})


def test_verbs_to_come_are_refused_by_name():
    assert [verb_of(name) for name in ("run", "bench", "doctor", "gc")] == list(Verb)
    with pytest.raises(UsageError, match="there is no `fanout submit` yet; there is a policy for run, bench"):
        verb_of("submit")
    with pytest.raises(UsageError, match="--for report: there is a policy for run, bench, doctor, gc"):
        verb_of("report")


def test_a_clean_up_needs_no_endpoint_and_looks_where_it_is_told_to():
    bare = uses_of(load_config(), Verb.GC, endpoint=None, region="eu-west-1", account_id="123456789012")
    assert (bare.cleans, bare.endpoint, bare.topics, bare.uploads, bare.left_below) == (
        True,
        "",
        (),
        None,
        None,
    )
    found = uses(
        Verb.GC,
        transport={"input_prefix": "s3://up/in"},
        output={"path": "s3://out/answers/{date:%Y}/x.parquet"},
    )
    assert (found.endpoint, found.topics) == (ENDPOINT.arn, ENDPOINT.topics)
    assert objects([found.uploads, found.left_below]) == ["up/in/*", "out/answers/*"]
    assert uses(Verb.GC, output={"path": "here.parquet"}).left_below is None
    assert bare.run_place is None
    assert objects([uses(Verb.GC, run={"dir": "s3://state/runs/{date:%Y}/x"}).run_place]) == ["state/runs/*"]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("s3://state/runs/tonight", "state/runs/tonight/*"),
        ("s3://state/runs/", "state/runs/*"),
        ("s3://state/{date:%Y}/", "state/*"),
        ("/mnt/runs/", None),
        (None, None),
    ],
)
def test_the_place_of_a_run_is_what_stands_below_it(named, found):
    place = uses(run={"dir": named}).run_place
    assert (None if place is None else objects([place])[0]) == found
    assert uses(Verb.BENCH, run={"dir": named}).run_place is None
