"""An MFA code is asked for at the terminal; where there is none, nobody is asked and the rows are left alone."""

from __future__ import annotations

import os

import pytest
from support.settings import aws_settings
from support.sts import PROFILE, assumed

from fanout.aws.mfa import code
from fanout.aws.session import open_cloud
from fanout.errors import RunError

WITH_MFA = PROFILE.replace("source_profile", "mfa_serial = arn:aws:iam::1:mfa/me\nsource_profile")


@pytest.fixture
def no_terminal(monkeypatch):
    open_file = os.open

    def refusing(path, *rest, **more):
        if path == "/dev/tty":
            raise OSError("no such device")
        return open_file(path, *rest, **more)

    monkeypatch.setattr("os.open", refusing)


@pytest.mark.asyncio
async def test_without_a_terminal_an_mfa_code_is_asked_of_nobody(monkeypatch, no_terminal, tmp_path):
    (tmp_path / "config").write_text(WITH_MFA)
    monkeypatch.setattr("fanout.aws.mfa._is_null_device", lambda descriptor: descriptor == 0)
    with pytest.raises(RunError) as caught:
        async with open_cloud(aws_settings(region="eu-west-3", profile="p")):
            pass
    text = str(caught.value)
    assert (
        "the profile asks for an MFA code (Enter MFA code for arn:aws:iam::1:mfa/me), and there is no terminal"
        in text
    )
    assert "aws sts get-session-token" in text


@pytest.mark.asyncio
async def test_at_a_terminal_the_code_reaches_sts(wire, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(WITH_MFA)
    monkeypatch.setattr("fanout.aws.mfa._has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "123456" if "mfa/me" in prompt else "")
    async with wire.serve(wire.answering(wire.reply(200, assumed()))) as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        async with open_cloud(aws_settings(region="eu-west-3", profile="p")) as cloud:
            assert (await cloud.keys()).access_key_id == "ASSUMED"
    assert b"TokenCode=123456" in sts.requests[0].body


@pytest.mark.parametrize("closed", [False, True])
def test_rows_on_standard_input_are_no_answer(monkeypatch, no_terminal, closed):
    """Standard input is the null device where rows were there: `fanout run -` has taken them away."""
    asked = []
    monkeypatch.setattr("getpass.getpass", asked.append)
    null, fstat = os.open(os.devnull, os.O_RDONLY), os.fstat

    def told(descriptor):
        if closed:
            raise OSError(9, "Bad file descriptor")
        return fstat(null)

    monkeypatch.setattr("os.fstat", told)
    with pytest.raises(RunError, match=r"MFA code \(Code for me\), and there is no terminal"):
        code("Code for me: ")
    monkeypatch.undo()
    os.close(null)
    assert asked == []


def test_an_answer_on_standard_input_is_taken_and_its_end_is_none(monkeypatch, no_terminal):
    monkeypatch.setattr("fanout.aws.mfa._is_null_device", lambda descriptor: False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"answer to {prompt}")
    assert code("Code: ") == "answer to Code: "

    def ended(_prompt):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ended)
    with pytest.raises(RunError, match="there is no terminal to ask at"):
        code("Code: ")
