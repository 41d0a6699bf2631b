"""Defines the error that a simulated service answers with.

The pure models raise it; `http` writes it as a reply, `ports` raises it as a `CallError` of `Phase.REPLY`.
"""

from __future__ import annotations


class ServiceError(Exception):
    """An error reply, as the service's own error document says it.

    Attributes:
        status: The HTTP status.
        code: The error code as an SDK reports it (`NoSuchKey`, `AWS.SimpleQueueService.NonExistentQueue`).
        message: The text beside it.
        retry_after_s: What a Retry-After header would say, in seconds.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
