"""A form of the query protocol, read strictly."""

from __future__ import annotations

import pytest

from fanout.simulator.errors import ServiceError
from fanout.simulator.http.forms import Form


def test_parameters_and_entries():
    form = Form.parse(
        b"Action=Subscribe&Empty=&Attributes.entry.1.key=RawMessageDelivery&Attributes.entry.1.value=true"
        b"&Attributes.entry.2.key=FilterPolicy&Attributes.entry.2.value=%7B%22a%22%3A+1%7D&Attributes.entry.4.key=x"
    )
    assert (form.text("Action"), form.get("Empty"), form.get("absent")) == ("Subscribe", "", "")
    assert form.entries("Attributes") == {"RawMessageDelivery": "true", "FilterPolicy": '{"a": 1}'}, (
        "3 is not there"
    )
    assert form.entries("Tags") == {}


@pytest.mark.parametrize("name", ["Empty", "absent"])
def test_a_required_parameter_needs_a_value(name):
    with pytest.raises(ServiceError, match=f"{name} Reason: no value") as caught:
        Form.parse(b"Empty=").text(name)
    assert caught.value.code == "InvalidParameter"


def test_an_empty_body_has_no_parameters():
    assert Form.parse(b"").get("Action") == ""


@pytest.mark.parametrize("body", [b"Action", b"a=1&&b", b"a=%ff", b"\xff=1"])
def test_what_is_no_form_is_refused(body):
    with pytest.raises(ServiceError) as caught:
        Form.parse(body)
    assert (caught.value.status, caught.value.code) == (400, "MalformedQueryString")


def test_lists_of_texts_and_of_structures():
    form = Form.parse(
        b"Statistics.member.1=Maximum&Statistics.member.2=Minimum&Statistics.member.4=x"
        b"&Dimensions.member.1.Name=a&Dimensions.member.1.Value=b&Dimensions.member.2.Name=c"
    )
    assert form.members("Statistics") == ["Maximum", "Minimum"], "3 is not there"
    assert form.structures("Dimensions") == [{"Name": "a", "Value": "b"}, {"Name": "c"}]
    assert (form.members("absent"), form.structures("absent")) == ([], [])
