"""Says what the program asks of a queue: name and tags of a run's own, and how a shared one treats what it receives.

A clean-up finds the queues of runs by these; they stand here alone. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fanout.domain.ids import PREFIX, RUN_LENGTH, is_run

RUN_TAG = f"{PREFIX}:run"
ENDPOINT_TAG = f"{PREFIX}:endpoint"
CREATED_TAG = f"{PREFIX}:created"
VERSION_TAG = f"{PREFIX}:version"
SEEN_TAG = f"{PREFIX}:seen"
"""When the run last lived, by the clock of SQS: a run renews it as long as it has its queue."""
RENEW_EVERY_S = 300.0
"""How often a run renews it. A clean-up that cannot see the run's directory goes by three times that."""

NAME_PREFIX = f"{PREFIX}-"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_AGAIN = re.compile("-[0-9a-f]{6}")


def queue_name(run_id: str, *, again: str = "") -> str:
    """Return the name of a run's queue.

    Args:
        run_id: The run's id.
        again: Six hex digits that make another name of it, for a minute in which SQS keeps the first.
    """
    return f"{NAME_PREFIX}{run_id}" + (f"-{again}" if again else "")


def run_of_queue(name: str) -> str | None:
    """Return the run that a queue of this name would be of, None if no run gives its queue such a name."""
    run_id, more = name[len(NAME_PREFIX) :][:RUN_LENGTH], name[len(NAME_PREFIX) + RUN_LENGTH :]
    ours = name.startswith(NAME_PREFIX) and is_run(run_id) and (not more or _AGAIN.fullmatch(more))
    return run_id if ours else None


def seen_at(tags: Mapping[str, str]) -> float | None:
    """Return when a queue's run last lived, by its tags, in seconds since the epoch; None if they do not tell."""
    try:
        return datetime.strptime(tags.get(SEEN_TAG, ""), _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def instant_tag(instant: float) -> str:
    """Return an instant, in seconds since the epoch, as tags have it: UTC in ISO 8601, whole seconds."""
    return datetime.fromtimestamp(int(instant), UTC).strftime(_TIME)


def queue_tags(run_id: str, *, endpoint: str, created_at: float, version: str) -> dict[str, str]:
    """Return the tags of a run's queue.

    Args:
        run_id: The run's id.
        endpoint: The endpoint's name.
        created_at: When the queue is made, in seconds since the epoch; the tag is UTC in ISO 8601.
        version: The program's version.
    """
    created = instant_tag(created_at)
    return {
        RUN_TAG: run_id,
        ENDPOINT_TAG: endpoint,
        CREATED_TAG: created,
        SEEN_TAG: created,
        VERSION_TAG: version,
    }


def filter_policy(run_id: str) -> str:
    """Return the filter policy of a subscription that lets through one run's notifications only."""
    return json.dumps({"inferenceId": [{"prefix": f"{run_id}."}]})


def is_filter_of(policy: str | None, run_id: str) -> bool:
    """Whether a subscription's filter policy is the one that a run gives it."""
    try:
        return bool(policy) and json.loads(policy or "") == json.loads(filter_policy(run_id))
    except ValueError:
        return False


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
