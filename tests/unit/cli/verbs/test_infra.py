"""`fanout infra`: what it prints on stdout, what it says on stderr, and how it ends."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fanout.cli.app import app
from fanout.errors import UsageError

RUN = ("--endpoint", "My-Model", "--region", "eu-west-1")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def infra(*arguments):
    done = CliRunner().invoke(app, ["infra", *arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    return done


def test_a_policy_with_placeholders_is_printed_and_exits_4():
    done = infra("iam", *RUN, "--offline")
    document = json.loads(done.stdout)
    assert document["Statement"][0]["Resource"][0].endswith(":eu-west-1:ACCOUNT-ID:endpoint/my-model")
    assert "replace ACCOUNT-ID, OUTPUT-BUCKET, SUCCESS-TOPIC, ERROR-TOPIC in the policy" in done.stderr
    assert "AWS was not asked (--offline)" in done.stderr
    assert done.exit_code == 4


def test_the_region_is_the_environments_where_none_is_named(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "cn-north-1")
    done = infra("iam", "--endpoint", "m", "--offline", "--account", "210987654321")
    assert "arn:aws-cn:sagemaker:cn-north-1:210987654321:endpoint/m" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no endpoint: name it with --endpoint"),
        ((*RUN, "--for", "collect"), "there is no `fanout collect` yet"),
        ((*RUN, "--account", "12345"), "an account has 12 digits"),
        ((*RUN, "--local"), "the local AWS asks for no rights"),
    ],
)
def test_mistakes_are_told_before_aws_is_asked(arguments, said):
    with pytest.raises(UsageError, match=said):
        infra("iam", *arguments)


def test_a_template_has_what_the_options_say():
    done = infra("cfn", "--model", "m", "--max", "7", "--shared-queue")
    template = json.loads(done.stdout)
    assert done.exit_code == 0
    assert template["Parameters"]["ModelName"]["Default"] == "m"
    assert template["Parameters"]["MaxInstances"]["Default"] == 7
    assert "SharedQueue" in template["Resources"]
    assert "Default" not in json.loads(infra("cfn").stdout)["Parameters"]["ModelName"]
    with pytest.raises(UsageError, match="--max: should be at least 1, and at least --min"):
        infra("cfn", "--min", "3")


def test_a_queue_needs_no_endpoint_where_topics_are_named():
    topic = "arn:aws:sns:eu-west-1:123456789012:ok"
    done = infra("queue", "--topic", topic)
    resources = json.loads(done.stdout)["Resources"]
    assert (done.exit_code, done.stderr) == (0, "")
    assert resources["SharedQueue"]["Properties"]["QueueName"] == "shared-for-fanout"
    assert resources["SharedQueueSubscription1"]["Properties"]["TopicArn"] == topic


def test_a_queue_of_the_local_aws_is_refused(monkeypatch):
    monkeypatch.setenv("FANOUT_LOCAL_ENABLED", "true")
    with pytest.raises(UsageError, match="the local AWS"):
        infra("queue", "--endpoint", "m")
    monkeypatch.delenv("FANOUT_LOCAL_ENABLED")
    with pytest.raises(UsageError, match="no endpoint"):
        infra("queue")
