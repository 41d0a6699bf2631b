"""Inputs in S3: what cannot be signed is said with the next step."""

from __future__ import annotations

import pytest

from fanout.aws.filesystem import input_filesystem
from fanout.errors import CallError, Exit, Phase, RunError

pytestmark = pytest.mark.asyncio


class Unsigned:
    """A cloud whose credentials have ended and are not to be renewed."""

    async def keys(self):
        raise CallError(Phase.CONNECT, "CredentialsUnavailable", message="the SSO session has expired")


async def test_credentials_that_have_ended_are_no_traceback():
    with pytest.raises(RunError) as caught:
        await input_filesystem(Unsigned())
    assert caught.value.exit is Exit.PRECONDITION
    assert str(caught.value) == (
        "the input in S3 cannot be read: s3:GetObject: CredentialsUnavailable: the SSO session has expired. "
        "No credentials could be had: sign in again (aws sso login), or check the profile and the role."
    )
    assert isinstance(caught.value.__cause__, CallError)
