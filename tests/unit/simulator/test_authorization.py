"""One caller's policy: nothing is allowed that no statement allows, and what is not understood is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fanout.simulator.authorization import Authorization, Right
from fanout.simulator.settings import SimulatorSettings

OBJECT = "arn:aws:s3:::bucket/in/a/b"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action="s3:GetObject", resource="arn:aws:s3:::bucket/in/*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([], False),
        ([allow()], True),
        ([allow(["s3:PutObject", "S3:getobject"])], True),
        ([allow("s3:Get*", "*")], True),
        ([allow("s3:GetObjectTagging")], False),
        ([allow(resource="arn:aws:s3:::bucket/in/")], False),
        ([allow(resource=["arn:aws:s3:::bucket/out/*", OBJECT])], True),
        ([allow(resource="arn:aws:s3:::bucket/in/?/?")], True),
        ([allow(resource="arn:aws:s3:::bucket/in/${?}/b")], False),
        ([allow(resource="arn:aws:s3:::BUCKET/in/*")], False),
        ([allow(resource="arn:aws:s3:::bucket.in/*")], False),
        ([allow(), allow() | {"Effect": "Deny", "Resource": "*"}], False),
        ([allow(), allow("s3:DeleteObject") | {"Effect": "Deny"}], True),
    ],
)
def test_a_statement_allows_its_actions_on_its_resources(statements, allowed):
    assert Authorization(document(*statements)).allows(Right("s3:GetObject", OBJECT)) is allowed


def test_escaped_wildcards_are_plain_characters():
    starred = Authorization(document(allow(resource="arn:aws:s3:::b/${*}-${$}{x}")))
    assert starred.allows(Right("s3:GetObject", "arn:aws:s3:::b/*-${x}"))
    assert not starred.allows(Right("s3:GetObject", "arn:aws:s3:::b/a-${x}"))


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringLike": {"s3:prefix": ["in/*", "x"]}}, {"s3:prefix": ("in/",)}, True),
        ({"StringLike": {"s3:prefix": "in/*"}}, {"s3:prefix": ("out/",)}, False),
        ({"StringLike": {"s3:prefix": "*"}}, {}, False),
        ({"StringEquals": {"s3:prefix": "in/*"}}, {"s3:prefix": ("in/a",)}, False),
        ({"ForAnyValue:StringEquals": {"k": "b"}}, {"k": ("a", "b")}, True),
        ({"StringLike": {"s3:prefix": "in/*"}, "StringEquals": {"k": "a"}}, {"s3:prefix": ("in/",)}, False),
    ],
)
def test_every_condition_must_hold_and_none_does_on_what_the_call_has_not(condition, context, allowed):
    authorization = Authorization(document(allow("s3:ListBucket", "*", Condition=condition)))
    assert authorization.allows(Right("s3:ListBucket", "arn:aws:s3:::b", context)) is allowed


def test_the_first_right_that_is_missing_is_told_and_those_used_are_noted():
    authorization = Authorization(document(allow("sqs:*", "*")))
    create, tag = Right("sqs:CreateQueue", "arn:q"), Right("s3:GetObject", "arn:o")
    assert authorization.missing([create]) is None
    assert authorization.missing([create, tag]) is tag
    assert authorization.used == {"sqs:CreateQueue"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"Statement": []},
        {"Version": "2008-10-17", "Statement": []},
        document(allow(Sid="with a blank")),
        document(allow(Sid="Twice"), allow(Sid="Twice")),
        document(allow() | {"Effect": "allow"}),
        document(allow(action="GetObject")),
        document(allow(resource="bucket/in/*")),
        document({"Effect": "Allow", "Action": "s3:GetObject"}),
        document({"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}),
        document(allow(resource="arn:aws:s3:::${aws:username}/*")),
        document(allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
        document("s3:*"),
    ],
)
def test_what_is_not_understood_is_no_policy_of_the_simulator(wrong):
    with pytest.raises(ValidationError):
        SimulatorSettings.model_validate({"policy": wrong})
