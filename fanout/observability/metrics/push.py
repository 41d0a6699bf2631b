"""Pushes the last metrics to a Pushgateway once the run has ended: bounded in time, and never an error of the run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import anyio.to_thread
from prometheus_client import pushadd_to_gateway

from fanout.observability.metrics.registry import Take, registry

_log = logging.getLogger(__name__)
TIMEOUT_S = 5.0
"""Seconds for the whole push: a gateway answers in milliseconds, and a scheduler waits for our exit."""


async def push(take: Take, *, gateway: str, job: str, warn: Callable[[str], None]) -> None:
    """Push the families as `job`.

    Families of earlier pushes that are not among them stay: when a run last succeeded is still known after one
    that did not.

    Args:
        take: Returns the families; called on the event loop.
        gateway: `host:port` or a URL.
        job: The grouping key.
        warn: Called with the reason why it did not work.
    """
    families = tuple(take())
    failure: list[str] = []

    def work() -> None:
        try:
            made = registry(lambda: families)
            pushadd_to_gateway(gateway, job=job, registry=made, timeout=TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - whatever urllib finds wrong, the run has ended well
            failure.append(str(error) or type(error).__name__)

    # A daemon thread of its own: the timeout is one for each read, so a gateway that sends a byte now and then
    # would otherwise keep the process from ending.
    thread = threading.Thread(target=work, name="pushgateway", daemon=True)
    thread.start()
    await anyio.to_thread.run_sync(thread.join, TIMEOUT_S)
    if thread.is_alive():
        failure.append(f"no answer within {TIMEOUT_S:g} s")
    if failure:
        warn(f"metrics not pushed to {gateway}: {failure[0]}")
    else:
        _log.info("metrics pushed to %s", gateway)
