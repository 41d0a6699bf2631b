"""Says what the program asks of a queue: the tags of a run's own, and how a shared one treats what it receives; pure.

A clean-up finds the queues of runs by these tags; their names stand here alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from fanout.domain.ids import PREFIX

RUN_TAG = f"{PREFIX}:run"
ENDPOINT_TAG = f"{PREFIX}:endpoint"
CREATED_TAG = f"{PREFIX}:created"
VERSION_TAG = f"{PREFIX}:version"


def queue_tags(run_id: str, *, endpoint: str, created_at: float, version: str) -> dict[str, str]:
    """Return the tags of a run's queue.

    Args:
        run_id: The run's id.
        endpoint: The endpoint's name.
        created_at: When the queue is made, in seconds since the epoch; the tag is UTC in ISO 8601.
        version: The program's version.
    """
    created = datetime.fromtimestamp(int(created_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {RUN_TAG: run_id, ENDPOINT_TAG: endpoint, CREATED_TAG: created, VERSION_TAG: version}


@dataclass(frozen=True, slots=True)
class Redrive:
    """A queue's redrive policy: where a message goes, and after how many receives; None for what is not told."""

    dead_letters: str | None
    max_receives: int | None


def parse_redrive(policy: str | None) -> Redrive | None:
    """Return what a queue's `RedrivePolicy` says, None if it has none; one that cannot be read is one."""
    if not policy:
        return None
    try:
        told = json.loads(policy)
        dead_letters, most = told.get("deadLetterTargetArn"), told.get("maxReceiveCount")
        return Redrive(dead_letters or None, None if most is None else int(most))
    except (AttributeError, TypeError, ValueError):
        return Redrive(None, None)
