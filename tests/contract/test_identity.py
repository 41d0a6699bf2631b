"""`ports.Control.identity` and `clock_skew_s` on every cloud, and by both clients on moto."""

from __future__ import annotations

import re

import pytest
from support.settings import aws_settings

from fanout.aws.session import open_cloud
from fanout.errors import CallError
from fanout.simulator.http.server import open_server
from fanout.simulator.settings import SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("wire", "aiobotocore")


async def test_who_calls_is_told_and_the_clock_with_it(storage):
    found = await storage.cloud.control.identity()
    assert re.fullmatch(r"\d{12}", found.account)
    assert re.fullmatch(rf"arn:aws:(iam|sts)::{found.account}:\S+", found.arn)
    skew_s = storage.cloud.control.clock_skew_s()
    assert skew_s is not None
    assert abs(skew_s) < 2.0, "of one machine; a Date has whole seconds"


@pytest.mark.parametrize("client", CLIENTS)
async def test_moto_tells_both_clients(moto_url, client):
    settings = aws_settings(
        client=client, endpoint_url=moto_url, region="us-east-1", access_key_id="A", secret_access_key="S"
    )
    async with open_cloud(settings) as cloud:
        assert (await cloud.control.identity()).arn.startswith("arn:aws:sts::123456789012:")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_network_policy_may_deny_it(client):
    denying = {"denied": ["GetCallerIdentity"]}
    parsed = SimulatorSettings.model_validate({"verify_signatures": True, "faults": denying})
    async with open_server(parsed) as server:
        settings = aws_settings(
            client=client,
            region=server.identity.region,
            endpoint_url=server.url,
            access_key_id=server.identity.access_key_id,
            secret_access_key=server.identity.secret_access_key,
            session_token=server.identity.session_token,
        )
        async with open_cloud(settings) as cloud:
            with pytest.raises(CallError) as caught:
                await cloud.control.identity()
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)
