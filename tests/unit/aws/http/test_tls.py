"""TLS: who is trusted, and that nothing is sent to anyone else."""

from __future__ import annotations

import asyncio
import ssl
from importlib.util import find_spec

import pytest
import trustme
from botocore.httpsession import DEFAULT_CA_BUNDLE, get_cert_path

from fanout.aws.http.dialer import botocores_authorities, tls_context
from fanout.errors import Phase

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_without_a_bundle_those_are_trusted_whom_botocore_trusts(monkeypatch):
    assert botocores_authorities() == get_cert_path(True)
    monkeypatch.setattr(
        "fanout.aws.http.dialer.find_spec", lambda name: find_spec(name) if name != "certifi" else None
    )
    assert botocores_authorities() == DEFAULT_CA_BUNDLE


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_side(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


async def test_a_server_that_the_bundle_vouches_for_is_talked_to(wire, authority, bundle):
    server = server_side(authority, "127.0.0.1")
    async with wire.asking(wire.answering(OK), server_tls=server, tls=tls_context(bundle)) as (asker, served):
        for body in (b"", b"x" * 500_000):
            assert (await asker.ask(body)).body == b"ok"
        assert [len(request.body) for request in served.requests] == [0, 500_000]
        assert served.connections == 1


@pytest.mark.parametrize(
    ("name", "ours"), [("127.0.0.1", False), ("localhost", True)], ids=["authority", "name"]
)
async def test_a_server_that_nobody_vouches_for_gets_nothing(wire, authority, bundle, name, ours):
    context = tls_context(bundle if ours else None)
    server = server_side(authority, name)
    async with wire.asking(wire.answering(OK), server_tls=server, tls=context) as (asker, served):
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "SSLCertVerificationError")
    assert served.requests == []


async def test_old_versions_are_refused(wire, authority, bundle):
    assert tls_context(bundle).minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls_context(None).verify_mode is ssl.CERT_REQUIRED
    assert tls_context(None).check_hostname


async def test_authorities_may_stand_in_a_folder(bundle, tmp_path):
    tls_context(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        tls_context(str(tmp_path / "missing.pem"))


async def test_plain_text_where_tls_was_expected_was_not_sent(wire):
    async def plain_text(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.gone()

    async with wire.asking(plain_text, tls=tls_context(None)) as (asker, _):
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "SSLError")


async def test_a_reset_in_the_handshake_was_not_sent(wire):
    async def reset(peer):
        await peer.reader.readexactly(1)
        peer.reset()

    async with wire.asking(reset, tls=tls_context(None)) as (asker, _):
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "ConnectionResetError")


async def test_a_handshake_that_does_not_end_is_bounded_by_the_connect_timeout(wire):
    async def silent(peer):
        await peer.gone()

    async with wire.asking(silent, tls=tls_context(None), connect_timeout_s=0.05) as (asker, _):
        error = await wire.failure(asker.ask())
    assert (error.phase, error.code) == (Phase.CONNECT, "ConnectTimeout")


async def test_the_name_is_sent_in_the_handshake(wire, authority, bundle, monkeypatch):
    """Behind one address stand many of AWS's names."""
    seen = []
    server = server_side(authority, "runtime.example")
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def on_loopback(host, *args, **kwargs):
        return await resolve("127.0.0.1" if host == "runtime.example" else host, *args, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", on_loopback)
    async with wire.serve(wire.answering(OK), tls=server) as served:
        url = f"https://runtime.example:{served.port}"
        async with wire.asker(url, tls=tls_context(bundle)) as asker:
            assert (await asker.ask()).body == b"ok"
    assert seen == ["runtime.example"]


async def test_the_second_address_is_tried_when_the_first_refuses(wire, monkeypatch):
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def two(host, port, **kwargs):
        if host != "two.example":
            return await resolve(host, port, **kwargs)
        return await resolve("127.0.0.2", 1, **kwargs) + await resolve("127.0.0.1", port, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", two)
    async with (
        wire.serve(wire.answering(OK)) as served,
        wire.asker(f"http://two.example:{served.port}") as asker,
    ):
        assert (await asker.ask()).body == b"ok"
