"""Keeps aiobotocore's requests at the hosts that they were signed for, and tells `Reach` what they reached.

aiohttp follows redirects by itself, with the session token in a header and on 307 with the payload; botocore, which
aiobotocore stands in for, does not. It imports aiobotocore, so the functions that need this module import it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from aiobotocore.httpsession import AIOHTTPSession

from fanout.aws.call_errors import to_call_error
from fanout.aws.errors import CREDENTIALS, redirect
from fanout.aws.reach import Reach, server_of
from fanout.domain.failures import UNREACHABLE
from fanout.domain.location import dns_suffix
from fanout.errors import CallError, Phase

FETCHERS = ("_fetcher", "_role_fetcher")
"""Where the providers of containers' and instances' credentials keep what asks their metadata service."""


class Unredirected:
    """An aiohttp session whose requests follow no redirect.

    Args:
        session: The session, open.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **arguments: Any) -> Any:
        """Return the reply to one request, a redirect included."""
        return await self._session.request(method, **arguments, allow_redirects=False)


class UnredirectedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
    """What clients send with: as aiobotocore's own, but for the redirects."""

    async def send(self, request: Any) -> Any:
        """Return the reply to a request.

        Raises:
            CallError: It is a redirect, which botocore could not read: only S3 sends a document with one, and where it
                names a bucket's region, botocore asks there.
        """
        reply = await super().send(request)
        elsewhere = redirect(reply.status_code, reply.headers)
        if elsewhere is not None and "x-amz-bucket-region" not in reply.headers:
            raise CallError(Phase.REPLY, str(reply.status_code), status=reply.status_code, message=elsewhere)
        return reply

    async def _get_session(self, proxy_url: str | None) -> Unredirected:
        return Unredirected(await super()._get_session(proxy_url))


def keep_metadata_here(chain: Any) -> None:
    """Have the providers of a credential chain follow no redirect of a metadata service.

    Args:
        chain: botocore's chain of credential providers.
    """
    for provider in chain.providers:
        for name in FETCHERS:
            session = getattr(getattr(provider, name, None), "_session", None)
            if isinstance(session, AIOHTTPSession):
                _keep(session)


def _keep(session: AIOHTTPSession) -> None:
    find = session._get_session  # noqa: SLF001 - aiobotocore has no setting for it

    async def find_unredirected(proxy_url: str | None) -> Unredirected:
        return Unredirected(await find(proxy_url))

    session._get_session = find_unredirected  # noqa: SLF001


def guard(client: Any, reach: Reach) -> None:
    """Have a client refuse requests to hosts that are not its own, and tell `reach` what came of the others.

    botocore follows a bucket to the region that a reply names. The region is the service's to tell; the host is not.

    Args:
        client: An aiobotocore client.
        reach: Which servers were reached.
    """
    home = client.meta.endpoint_url

    def check(request: Any, **_: object) -> None:
        if not is_at_home(request.url, home=home):
            message = f"a reply led from {server_of(home)} to {server_of(request.url)}, which is not followed"
            raise CallError(Phase.REPLY, "Redirect", status=301, message=message)

    def watch(
        response: Any, caught_exception: Exception | None, request_dict: dict[str, Any], **_: object
    ) -> None:
        server = server_of(request_dict["url"])
        if response is not None:
            reach.answered(server)
        elif caught_exception is not None:
            error = to_call_error(caught_exception)
            if error.phase is Phase.CONNECT and error.code != CREDENTIALS:
                judged = reach.missed(server, error)
                if judged.code == UNREACHABLE:
                    raise judged from caught_exception

    client.meta.events.register_first("before-send", check)
    client.meta.events.register_first("needs-retry", watch)


def is_at_home(url: str, *, home: str) -> bool:
    """Whether `url` is at a host of the partition that `home` is in, or, away from AWS, at `home` or below it."""
    host, own = urlsplit(url).hostname or "", urlsplit(home).hostname or ""
    suffix = dns_suffix(own)
    if suffix is not None:
        return dns_suffix(host) == suffix
    return host == own or host.endswith(f".{own}")
