"""Defines a simulated service as the server sees it: it names an operation, performs it, and writes its own errors."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Protocol

from fanout.simulator.authorization import Right
from fanout.simulator.errors import ServiceError
from fanout.simulator.http.messages import Reply, Request
from fanout.simulator.http.sigv4 import SignatureRefused


class Service(Protocol):
    """One AWS service on the shared port."""

    @property
    def signing_name(self) -> str:
        """The service's name in the credential scope."""
        ...

    def operation(self, request: Request, /) -> str:
        """Return the API's name of the operation (`PutObject`), before anything is checked.

        Raises:
            ServiceError: Nothing that this service knows.
        """
        ...

    def rights(self, operation: str, request: Request, /) -> Iterable[Right]:
        """Return what the caller must be allowed for it.

        Raises:
            ServiceError: The request does not say what it is about.
        """
        ...

    def perform(self, operation: str, request: Request, /, *, now: float) -> Reply | Awaitable[Reply]:
        """Do it and return the reply; an awaitable one where the API itself waits.

        Raises:
            ServiceError: The service refuses.
        """
        ...

    def error(self, error: ServiceError, request: Request, /) -> Reply:
        """Return the error in the shape that the service's SDKs parse."""
        ...

    def refusal(self, refused: SignatureRefused, /) -> ServiceError:
        """Return the service's own error for a signature that does not hold."""
        ...
