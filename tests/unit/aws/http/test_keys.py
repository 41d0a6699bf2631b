"""Which keys sign, when they are asked for again, and whom the clock is set by."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from fanout.aws.http.clock_skew import ClockSkew
from fanout.aws.http.keys import SigningKeys
from fanout.aws.http.reply_parser import Answer
from fanout.aws.http.sigv4 import Keys
from fanout.errors import CallError, Phase

pytestmark = pytest.mark.asyncio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NOW = 1_795_168_000.0


class Provided:
    """Credentials that change when they are distrusted, as the shared ones do."""

    def __init__(self, *, error=None):
        self.generation, self.asked, self.distrusted, self.error = 0, 0, 0, error

    async def get_frozen_credentials(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.access_key, self.secret_key, self.token = f"AKID{self.generation}", "secret", "token"
        return self

    def distrust(self):
        self.distrusted += 1
        self.generation += 1


def deadline():
    return asyncio.get_running_loop().time() + 10


async def test_keys_are_asked_for_once_a_second():
    clock = [100.0]
    provided = Provided()
    ring = SigningKeys(provided, monotonic=lambda: clock[0])
    assert ring.keys_nowait() is None
    first = await ring.keys(deadline=deadline())
    assert first == Keys("AKID0", "secret", "token")
    clock[0] = 100.9
    assert ring.keys_nowait() is first
    clock[0] = 101.0
    assert ring.keys_nowait() is None
    assert await ring.keys(deadline=deadline()) is first  # the same object: signers are kept by it
    assert provided.asked == 2


async def test_keys_that_aws_calls_expired_are_refreshed_once_for_all_that_used_them():
    provided = Provided()
    ring = SigningKeys(provided)
    old = await ring.keys(deadline=deadline())
    ring.distrust(old)
    assert ring.keys_nowait() is None
    new = await ring.keys(deadline=deadline())
    assert new == Keys("AKID1", "secret", "token")
    ring.distrust(old)  # the late ones, sent with the old keys
    assert ring.keys_nowait() is new
    assert provided.distrusted == 1


async def test_static_keys_stay():
    class Static:
        access_key, secret_key, token = "AKID", "secret", None

        async def get_frozen_credentials(self):
            return self

    ring = SigningKeys(Static())
    keys = await ring.keys(deadline=deadline())
    ring.distrust(keys)
    assert await ring.keys(deadline=deadline()) is keys


async def test_without_keys_nothing_is_sent():
    with pytest.raises(CallError) as caught:
        await SigningKeys(Provided(error=OSError("no route to the metadata service"))).keys(
            deadline=deadline()
        )
    assert caught.value.phase is Phase.CONNECT


async def test_waiting_for_keys_is_bounded_by_the_call():
    class Slow:
        async def get_frozen_credentials(self):
            await asyncio.Event().wait()

    with pytest.raises(CallError) as caught:
        await SigningKeys(Slow()).keys(deadline=asyncio.get_running_loop().time() + 0.02)
    assert (caught.value.phase, caught.value.code) == (Phase.CONNECT, "CallTimeout")


async def test_an_expired_token_is_reported_and_the_next_call_signs_with_new_keys(wire):
    refused = wire.reply(400, b'{"__type": "ExpiredTokenException", "message": "m"}')
    provided = Provided()
    async with wire.asking(wire.answering(refused, OK), credentials=provided) as (asker, served):
        error = await wire.failure(asker.ask())
        assert (error.phase, error.code, error.status) == (Phase.REPLY, "ExpiredTokenException", 400)
        await asker.ask()
    used = [request.headers["authorization"].split("/")[0] for request in served.requests]
    assert used == ["AWS4-HMAC-SHA256 Credential=AKID0", "AWS4-HMAC-SHA256 Credential=AKID1"]


def answer(seconds):
    return Answer(403, {b"date": formatdate(seconds, usegmt=True).encode()}, b"")


@pytest.mark.parametrize(
    ("code", "theirs", "again"),
    [
        ("RequestTimeTooSkewed", NOW + 1000, True),
        ("InvalidSignatureException", NOW - 1000, True),
        ("403", NOW + 1000, True),  # of a HEAD
        ("403", NOW + 100, False),
        ("SignatureDoesNotMatch", NOW + 100, False),  # the clocks agree: the secret is wrong
        ("AccessDenied", NOW + 1000, False),
    ],
)
async def test_a_refused_date_sets_the_clock(code, theirs, again):
    skew = ClockSkew()
    assert skew.learn(code, answer(theirs), signed_at=NOW, now=NOW) is again
    assert skew.offset_s == (theirs - NOW if again else 0.0)


@pytest.mark.parametrize("date", [None, b"", b"yesterday"])
async def test_without_a_date_nothing_is_learnt(date):
    headers = {} if date is None else {b"date": date}
    assert not ClockSkew().learn("RequestTimeTooSkewed", Answer(403, headers, b""), signed_at=NOW, now=NOW)


async def test_a_request_refused_for_its_date_is_signed_again_once(wire):
    theirs = formatdate(NOW + 3600, usegmt=True)
    refused = wire.reply(403, b'{"__type": "InvalidSignatureException"}', Date=theirs)
    async with wire.asking(wire.answering(refused, OK), wall=lambda: NOW) as (asker, served):
        assert (await asker.ask(b"x")).body == b"ok"
        await asker.ask()
    dates = [request.headers["x-amz-date"] for request in served.requests]
    assert dates == ["20261120T094640Z", "20261120T104640Z", "20261120T104640Z"]


async def test_a_clock_that_was_set_right_is_said_once(wire, caplog):
    theirs = formatdate(NOW + 3600, usegmt=True)
    refused = wire.reply(403, b'{"__type": "InvalidSignatureException"}', Date=theirs)
    async with wire.asking(wire.answering(refused, OK), wall=lambda: NOW) as (asker, served):
        await asker.ask()
        await asker.ask()
    (said,) = [record.getMessage() for record in caplog.records]
    host = f"127.0.0.1:{served.port}"
    assert (
        said
        == f"the clock of {host} is +3600 s from this machine's, and requests are signed by it: set yours"
    )


async def test_a_server_that_refuses_every_date_is_believed(wire):
    theirs = formatdate(NOW + 3600, usegmt=True)
    refused = wire.reply(403, b'{"__type": "InvalidSignatureException"}', Date=theirs)
    async with wire.asking(wire.answering(refused), wall=lambda: NOW) as (asker, served):
        error = await wire.failure(asker.ask())
    assert (error.code, len(served.requests)) == ("InvalidSignatureException", 2)
    assert error.skew_s == 3600
