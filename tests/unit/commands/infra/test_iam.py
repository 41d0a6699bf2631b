"""The policy of a configuration: what could not be asked stands as a placeholder, with the reason."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory

from fanout.commands.infra.described import OFFLINE, Described, describe
from fanout.commands.infra.iam import grant
from fanout.commands.infra.uses import Verb
from fanout.config.load import load_config
from fanout.ports import Endpoint
from fanout.simulator.settings import SimulatorSettings


def config(name="simulated", **sections):
    return load_config(flags={"endpoint": {"name": name, "region": "eu-west-1"}, **sections})


def asked(monkeypatch, given=None, **settings):
    account = in_memory(monkeypatch, SimulatorSettings.model_validate(settings))
    return account, anyio.run(describe, given or config())


def test_an_endpoint_that_can_be_asked_leaves_no_placeholder(monkeypatch):
    account, described = asked(monkeypatch)
    assert described == Described(account.world.describe("simulated"), "eu-memory-1")
    granted = grant(config(), Verb.RUN, described, account_id=None)
    assert (granted.placeholders, granted.why) == ((), "")
    assert "ACCOUNT-ID" not in str(granted.content)
    assert account.log == ["+local", "+cloud", "-cloud", "-local"]


@pytest.mark.parametrize(
    ("settings", "name", "why"),
    [
        (
            {"faults": {"denied": ["DescribeEndpoint"]}},
            "simulated",
            "sagemaker:DescribeEndpoint is not granted",
        ),
        ({}, "other", 'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/other"'),
        ({"asynchronous": False}, "simulated", "is not asynchronous"),
    ],
)
def test_what_cannot_be_asked_is_said(monkeypatch, settings, name, why):
    _, described = asked(monkeypatch, config(name), **settings)
    granted = grant(config(name), Verb.RUN, described, account_id=None)
    assert why in granted.why
    assert granted.placeholders == ("ACCOUNT-ID", "OUTPUT-BUCKET", "SUCCESS-TOPIC", "ERROR-TOPIC")


def test_an_account_that_is_named_is_in_the_policy():
    described = Described(None, "eu-west-1", OFFLINE)
    granted = grant(config(), Verb.RUN, described, account_id="210987654321")
    assert granted.why == OFFLINE
    assert "ACCOUNT-ID" not in granted.placeholders
    assert "arn:aws:sagemaker:eu-west-1:210987654321:endpoint/simulated" in str(granted.content)


def test_an_endpoint_that_names_no_output_path_is_said():
    silent = Endpoint("simulated", "InService", *(None,) * 4, False, *(None,) * 3)
    granted = grant(config(), Verb.RUN, Described(silent, "eu-west-1"), account_id="210987654321")
    assert granted.placeholders == ("OUTPUT-BUCKET",)
    assert granted.why == "Its configuration does not tell where in S3 its outputs stand."
