"""Opens connections: asks DNS each time, races addresses (RFC 8305), and verifies TLS.

When it fails, for whatever reason, nothing of a request has been written.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from aiohappyeyeballs import start_connection

from fanout.aws.errors import MESSAGE_CHARS, connection_code
from fanout.aws.http.connection import Connection
from fanout.errors import CallError, Phase, RunError

CONNECT_TIMED_OUT = "ConnectTimeout"
_NEXT_ADDRESS_AFTER_S = 0.25  # RFC 8305, section 5


class Dialer:
    """Opens connections to one server.

    Args:
        hostname: Name or address, without brackets; also the name that its certificate must bear.
        port: TCP port.
        tls: How to verify; None speaks without TLS.
        timeout_s: Longest time for one connection, TLS included.
    """

    def __init__(self, hostname: str, *, port: int, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        self._hostname = hostname
        self._port = port
        self._tls = tls
        self._timeout_s = timeout_s

    async def __call__(self, protocol: Callable[[], Connection], deadline: float) -> Connection:
        """Return an open connection.

        Args:
            protocol: Makes the connection's protocol.
            deadline: When to give up at the latest, by the loop's clock.

        Raises:
            CallError: `Phase.CONNECT`, with the name of what went wrong.
        """
        loop = asyncio.get_running_loop()
        timeout = asyncio.timeout_at(min(deadline, loop.time() + self._timeout_s))
        try:
            async with timeout:
                return await self._open(loop, protocol)
        except Exception as error:
            code = CONNECT_TIMED_OUT if timeout.expired() else connection_code(error)
            message = f"{self._hostname}:{self._port}: {error or 'no answer in time'}"[:MESSAGE_CHARS]
            raise CallError(Phase.CONNECT, code, message=message) from error

    async def _open(self, loop: asyncio.AbstractEventLoop, protocol: Callable[[], Connection]) -> Connection:
        # uvloop's own `create_connection` tries one address after the other, each until it times out.
        addresses = await loop.getaddrinfo(self._hostname, self._port, type=socket.SOCK_STREAM)
        sock = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_S, interleave=1)
        try:
            _, connection = await loop.create_connection(
                protocol, sock=sock, ssl=self._tls, server_hostname=self._hostname if self._tls else None
            )
        except BaseException:
            with contextlib.suppress(OSError):  # where the loop has closed it, this does nothing
                sock.close()
            raise
        return connection


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return how servers are verified: TLS 1.2 or later, names and chain.

    Args:
        ca_bundle: A file or folder of authorities (`AWS_CA_BUNDLE`, `ca_bundle` in the profile); None takes
            those that botocore trusts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    path = ca_bundle or botocores_authorities()
    if Path(path).is_dir():
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)
    return context


def check_bundle(path: str | None) -> None:
    """Read the authorities that the user names: a file that is not there fails every call, each as if it had been sent.

    Args:
        path: See `tls_context`; None names none.

    Raises:
        RunError: They cannot be used.
    """
    if path is None:
        return
    try:
        tls_context(path)
    except OSError as error:  # those of ssl are
        raise RunError(
            f"AWS_CA_BUNDLE, or ca_bundle in the profile, names {path}, which cannot be used: "
            f"{error.strerror or error}. Name a file of certificates in PEM, or leave it out."
        ) from error


def botocores_authorities() -> str:
    """Return the file of the authorities that botocore trusts: certifi's where that is installed, else its own.

    As `botocore.httpsession.get_cert_path`, without importing botocore.
    """
    if find_spec("certifi") is not None:
        import certifi

        return certifi.where()
    found = find_spec("botocore")
    assert found is not None
    assert found.submodule_search_locations is not None
    return str(Path(next(iter(found.submodule_search_locations))) / "cacert.pem")
