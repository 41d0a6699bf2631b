"""What AWS says of the endpoint, for a document about it; what it does not say is no error."""

from __future__ import annotations

import anyio
import pytest
from support.in_memory import in_memory

from fanout.commands.infra.described import Described, describe, refuse_local
from fanout.config.load import load_config
from fanout.errors import UsageError
from fanout.simulator.settings import SimulatorSettings


def config(name="simulated", **sections):
    return load_config(flags={"endpoint": {"name": name, "region": "eu-west-1"}, **sections})


def asked(monkeypatch, given=None, **settings):
    account = in_memory(monkeypatch, SimulatorSettings.model_validate(settings))
    return account, anyio.run(describe, given or config())


@pytest.mark.parametrize("status", ["Creating", "Failed", "Updating"])
def test_an_endpoint_that_takes_no_rows_now_is_described_all_the_same(monkeypatch, status):
    _, described = asked(monkeypatch, status=status)
    assert described.endpoint.status == status


def test_standard_input_is_left_for_the_run(monkeypatch):
    account, _ = asked(monkeypatch, config(input={"paths": ["-"]}))
    assert "+source" not in account.log


def test_no_endpoint_is_a_mistake():
    with pytest.raises(UsageError, match="no endpoint"):
        anyio.run(describe, load_config())


def test_the_region_is_the_sessions_once_there_is_one(monkeypatch):
    account, described = asked(monkeypatch)
    assert described == Described(account.world.describe("simulated"), "eu-memory-1")


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        (
            {"faults": {"denied": ["DescribeEndpoint"]}},
            "simulated",
            "sagemaker:DescribeEndpoint is not granted: ",
        ),
        ({}, "other", "Could not find endpoint"),
    ],
)
def test_why_an_endpoint_could_not_be_asked_is_said(monkeypatch, settings, name, said):
    _, described = asked(monkeypatch, config(name), **settings)
    assert (described.endpoint, described.region) == (None, "eu-memory-1")
    assert described.why_not.startswith(said)


def test_a_session_that_cannot_be_opened_is_said_with_the_region_that_was_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    described = anyio.run(describe, config())
    assert (described.endpoint, described.region) == (None, "eu-west-1")
    assert "no-such-profile" in described.why_not


def test_the_local_aws_has_no_documents(monkeypatch):
    with pytest.raises(UsageError, match="leave out --local"):
        refuse_local(config(local={"enabled": True}))
    refuse_local(config())
