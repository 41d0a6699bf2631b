"""The pieces of a template, as CloudFormation takes them."""

from __future__ import annotations

from fanout.commands.infra.cloudformation import output, parameter, ref, sub, subs, template


def test_sections_without_members_are_left_out():
    made = template("d", parameters={}, resources={"A": {"Type": "T"}}, outputs={})
    assert made == {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "d",
        "Resources": {"A": {"Type": "T"}},
    }
    assert [*template("d", parameters={"P": 1}, resources={"A": 1}, outputs={"O": 1})] == [
        "AWSTemplateFormatVersion", "Description", "Parameters", "Resources", "Outputs",
    ]  # fmt: skip


def test_a_text_is_filled_in_only_where_it_has_a_name_in_it():
    assert ref("Bucket") == {"Ref": "Bucket"}
    assert sub("arn:${AWS::Partition}:s3") == {"Fn::Sub": "arn:${AWS::Partition}:s3"}
    assert sub("$5 {and} more") == "$5 {and} more"


def test_every_text_of_a_document_is_filled_in_and_nothing_else_is_touched():
    document = {
        "Action": ["s3:GetObject"],
        "Resource": ["${Bucket.Arn}/*", {"n": [1, True, None]}],
        "Count": 2,
    }
    assert subs(document) == {
        "Action": ["s3:GetObject"],
        "Resource": [{"Fn::Sub": "${Bucket.Arn}/*"}, {"n": [1, True, None]}],
        "Count": 2,
    }


def test_a_parameter_without_a_default_is_asked_for():
    assert parameter("p") == {"Type": "String", "Description": "p"}
    assert parameter("p", default=0, kind="Number", MinValue=0) == {
        "Type": "Number", "Description": "p", "Default": 0, "MinValue": 0,
    }  # fmt: skip


def test_an_output_has_a_value():
    assert output("o", ref("A")) == {"Description": "o", "Value": {"Ref": "A"}}
