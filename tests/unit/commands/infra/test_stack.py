"""The template of all that a run talks to: valid by AWS's own schemas with every option, and what each option does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.templates import referred, resolved

from fanout.commands.infra.permissions import policy
from fanout.commands.infra.queue import queue_template
from fanout.commands.infra.stack import StackOptions, stack, uses_of_stack
from fanout.errors import UsageError
from fanout.simulator.authorization import Authorization

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
PLAIN = StackOptions(
    endpoint="fanout",
    instance_type="ml.m5.xlarge",
    min_instances=0,
    max_instances=2,
    concurrency=4,
    backlog=5.0,
    expire_days=14,
)
EACH = {
    "model": "my-model",
    "min_instances": 1,
    "kms_key": KEY,
    "embed_responses": True,
    "model_role": "my-execution-role",
    "trusted": "ecs-tasks.amazonaws.com",
    "shared_queue": True,
    "s3_output": True,
}
REGIONS = ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"]
NAMES = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "Inputs": "in",
    "Results": "out",
    "Endpoint": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fanout",
    "CompletedTopic": "arn:aws:sns:us-east-1:123456789012:ok",
    "FailedTopic": "arn:aws:sns:us-east-1:123456789012:bad",
    "SharedQueue.Arn": "arn:aws:sqs:us-east-1:123456789012:shared",
    "KmsKeyArn": KEY,
}


def plain(template):
    return json.loads(json.dumps(template))


def properties(template, name):
    return template["Resources"][name]["Properties"]


TEMPLATES = {
    "plain": stack(PLAIN),
    "all of it": stack(replace(PLAIN, **EACH)),
    **{name: stack(replace(PLAIN, **{name: EACH[name]})) for name in EACH},
    "trusted role": stack(replace(PLAIN, trusted="arn:aws:iam::123456789012:role/ci")),
    "queue": queue_template(["arn:aws:sns:us-east-1:123456789012:ok"], name="q"),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("plain", marks=pytest.mark.campaign),
        "all of it",
        pytest.param("trusted role", marks=pytest.mark.campaign),
        "queue",
    ],
)
def test_cfn_lint_passes(name):
    from cfnlint.api import lint  # its import takes a second, of each worker if it were at the top

    assert lint(json.dumps(TEMPLATES[name]), regions=REGIONS) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_name_is_there_and_every_parameter_is_used(name):
    template = TEMPLATES[name]
    parameters = set(template.get("Parameters", ()))
    named = {*parameters, *template["Resources"], "AWS::Partition", "AWS::Region", "AWS::AccountId"}
    used = referred(plain({key: template[key] for key in ("Resources", "Outputs")}))
    assert used <= named
    assert parameters <= used, "CloudFormation asks for nothing that it does not use"


def test_every_option_is_tried():
    assert set(EACH) >= {name for name in StackOptions.__slots__ if getattr(PLAIN, name) in {None, False}}


def test_the_endpoint_is_what_a_run_wants():
    template = plain(stack(replace(PLAIN, model="m", kms_key=KEY)))
    config = resolved(
        properties(template, "EndpointConfig"), NAMES | {"ModelName": "m"} | parameters(template)
    )
    assert config["AsyncInferenceConfig"] == {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        "OutputConfig": {
            "S3OutputPath": "s3://out/outputs",
            "S3FailurePath": "s3://out/failures",
            "KmsKeyId": KEY,
            "NotificationConfig": {
                "SuccessTopic": NAMES["CompletedTopic"],
                "ErrorTopic": NAMES["FailedTopic"],
            },
        },
    }
    embedding = plain(stack(replace(PLAIN, embed_responses=True)))
    notified = properties(embedding, "EndpointConfig")["AsyncInferenceConfig"]["OutputConfig"][
        "NotificationConfig"
    ]
    assert notified["IncludeInferenceResponseIn"] == [
        "SUCCESS_NOTIFICATION_TOPIC",
        "ERROR_NOTIFICATION_TOPIC",
    ]


def parameters(template):
    return {name: each.get("Default") for name, each in template["Parameters"].items()}


@pytest.mark.parametrize(
    ("bucket", "prefixes"), [("Inputs", ["uploads/"]), ("Results", ["outputs/", "failures/"])]
)
def test_what_is_left_in_buckets_goes_by_itself_and_finished_outputs_stay(bucket, prefixes):
    rules = properties(plain(stack(PLAIN)), bucket)["LifecycleConfiguration"]["Rules"]
    assert [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule] == prefixes
    assert [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]


@pytest.mark.parametrize("name", ["Inputs", "Results"])
def test_buckets_are_encrypted_with_the_key_or_s3s_own(name):
    def encryption(options):
        (rule,) = properties(plain(stack(options)), name)["BucketEncryption"][
            "ServerSideEncryptionConfiguration"
        ]
        return rule["ServerSideEncryptionByDefault"]

    assert encryption(PLAIN) == {"SSEAlgorithm": "AES256"}
    assert encryption(replace(PLAIN, kms_key=KEY)) == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Ref": "KmsKeyArn"},
    }


@pytest.mark.parametrize("options", [PLAIN, replace(PLAIN, **EACH)], ids=["plain", "all of it"])
def test_the_role_of_runs_has_the_policy_of_the_table(options):
    (inline,) = properties(plain(stack(options)), "RunRole")["Policies"]
    document = resolved(inline["PolicyDocument"], NAMES)
    Authorization(document)  # it is one, and nothing of it is left to fill in
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert sids == [statement["Sid"] for statement in policy(uses_of_stack(options))["Statement"]]
    assert ("MakeAQueueForTheRun" in sids, "ListenToTheSharedQueue" in sids) == (
        not options.shared_queue,
        options.shared_queue,
    )


@pytest.mark.parametrize(
    ("trusted", "principal"),
    [
        (None, {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}),
        ("arn:aws:iam::123456789012:role/ci", {"AWS": {"Ref": "TrustedPrincipal"}}),
        ("batch.amazonaws.com", {"Service": {"Ref": "TrustedPrincipal"}}),
    ],
)
def test_a_role_is_taken_on_by_whom_it_trusts(trusted, principal):
    role = properties(plain(stack(replace(PLAIN, trusted=trusted))), "RunRole")
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == principal


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": "a_b"}, "--endpoint a_b: is not the name"),
        ({"instance_type": "m5.large"}, "--instance-type m5.large: is not an instance type"),
        ({"min_instances": -1}, "--min: should be at least 0"),
        ({"min_instances": 3}, "--max: should be at least 1, and at least --min"),
        ({"max_instances": 0}, "--max: should be at least 1"),
        ({"concurrency": 1001}, "--concurrency: should be 1 to 1,000"),
        ({"backlog": float("nan")}, "--backlog: should be more than 0"),
        ({"expire_days": 0}, "--expire-days: should be at least 1"),
        ({"kms_key": "alias/mine"}, "--kms-key alias/mine: is no key's ARN"),
        ({"backlog": 0.0, "expire_days": 0}, "--backlog: should be more than 0\n--expire-days"),
    ],
)
def test_what_no_stack_can_be_like_is_told_at_once(changes, said):
    with pytest.raises(UsageError, match=said):
        stack(replace(PLAIN, **changes))
