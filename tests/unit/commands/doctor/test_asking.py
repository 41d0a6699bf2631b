"""What is not answered in time, or not at all."""

from __future__ import annotations

import anyio
import pytest

from fanout.commands.doctor import asking
from fanout.commands.doctor.asking import needed, optional
from fanout.errors import CallError, Phase, RunError


async def never():
    await anyio.sleep_forever()


def test_what_a_run_needs_fails_when_no_answer_comes(monkeypatch):
    monkeypatch.setattr(asking, "NEEDED_WITHIN_S", 0.01)
    [found] = anyio.run(needed, "queue", never)
    assert (found.check, found.status) == ("queue", "fail")
    assert "no answer within 0.01 s: look whether this network reaches AWS" in found.text


def test_an_error_of_a_run_is_its_line():
    async def refuse():
        raise RunError("there is none: make one")

    [found] = anyio.run(needed, "queue", refuse)
    assert (found.status, found.text) == ("fail", "there is none: make one")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "sts:GetCallerIdentity: no answer within 0.01 s (is there a VPC endpoint, a proxy?). It goes on"),
        (CallError(Phase.REPLY, "AccessDenied", status=403), "grant sts:GetCallerIdentity. It goes on"),
        (CallError(Phase.CONNECT, "ConnectionRefusedError"), "sts:GetCallerIdentity: ConnectionRefusedError"),
    ],
)  # fmt: skip
def test_what_a_run_does_without_is_a_warning_that_names_the_right(monkeypatch, error, text):
    monkeypatch.setattr(asking, "OPTIONAL_WITHIN_S", 0.01)

    async def ask():
        if error is not None:
            raise error
        await never()

    async def main():
        return await optional("identity", ask, operation="sts:GetCallerIdentity", without="It goes on")

    [found] = anyio.run(main)
    assert (found.check, found.status) == ("identity", "warn")
    assert text in found.text
