"""What a simulated service answers instead of a result.

Raised by the pure models; `http` writes it on the wire, `memory` turns it into a `CallError` of `Phase.REPLY`.
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
