"""Decides when to look into S3 for rows for which no message came, and how; pure, with `now` handed in.

A look costs requests and finds nothing while notifications work, so it needs a reason, and looks are spaced out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fanout.domain.ids import shard

SPACING = 20.0
"""Looks take at most a twentieth of the time: one that took 3 s is not repeated within a minute."""

MAX_SPACING_S = 300.0  # between looks that find nothing; the next message is likelier than the next object
POLL_SPACING_S = 15.0  # the same without notifications, when nothing else shows a result
PAGE = 1_000  # keys of a ListObjectsV2 reply, API reference


@dataclass(frozen=True, slots=True)
class LookupPolicy:
    """How long to wait before looking.

    Attributes:
        notified: Notifications are configured; without them S3 is looked into all the time.
        quiet_s: Silence, or lateness of a row behind its successors, that is suspicious.
        unknown_s: Wait before an uncertain row is looked for and sent again; None for one that follows the service
            times (`unknown_wait`).
        unknown: What becomes of such a row when it is not found: sent again, sent again only when its deadline
            has passed, sent again once the endpoint has drained (`drained`), or never.
        alone_after_loss_s: The wait of rows that an earlier process left, before any result was seen and where no other
            row is with the endpoint that could show one; their TTL and timeout bound it. None as for any other.
    """

    notified: bool
    quiet_s: float
    unknown_s: float | None
    unknown: Literal["resend", "wait", "settle", "never"]
    alone_after_loss_s: float | None = None


def next_look(
    now: float,
    *,
    policy: LookupPolicy,
    oldest_wait: float | None,
    newest_claimed: float | None,
    last_notice_at: float | None,
    looked_at: float | None,
    look_took_s: float,
    fruitless: int,
) -> float:
    """Return when to look next: in the past or `now` means at once; at the latest, when to ask again.

    Args:
        now: The present instant.
        policy: The run's.
        oldest_wait: Since when the oldest row waits for its result; None if none waits.
        newest_claimed: The latest acceptance among rows that were claimed; None if none was.
        last_notice_at: When a message last claimed a row.
        looked_at: When the last look ended; None if there was none.
        look_took_s: How long it took.
        fruitless: Looks in a row that found nothing.
    """
    quiet_s = policy.quiet_s
    if oldest_wait is None:
        return now + quiet_s
    if not policy.notified:
        reason_at = oldest_wait + min(quiet_s, 1.0)
    else:
        silent_at = max(oldest_wait, last_notice_at or oldest_wait) + quiet_s
        overtaken = newest_claimed is not None and newest_claimed > oldest_wait + quiet_s
        reason_at = min(silent_at, now) if overtaken else silent_at
    if looked_at is None:
        return reason_at
    unit_s, most_s = (quiet_s, MAX_SPACING_S) if policy.notified else (min(quiet_s, 1.0), POLL_SPACING_S)
    share = SPACING if policy.notified else 1.0  # without messages, looking is the work
    spacing_s = max(min(most_s, unit_s * 1.5 ** min(fruitless, 20)), share * look_took_s)
    return max(reason_at, looked_at + spacing_s)


def plan_look(
    waiting: Sequence[int], *, rows_seen: int, may_list: bool, roots: int
) -> tuple[str, ...] | None:
    """Return the way to look for `waiting` rows that costs the fewest calls.

    Args:
        waiting: Ordinals of the rows that wait.
        rows_seen: Rows sent so far, about the number of objects below the run's prefix.
        may_list: Whether listing is possible.
        roots: Prefixes that a listing goes through (outputs, failures).

    Returns:
        The shards of the run's prefix to list, `""` for all of it; None to look at the rows one by one.
    """
    by_row = 2 * len(waiting)  # a HEAD for the output, another for the failure object
    shards = Counter(shard(row) for row in waiting)
    whole = roots * (1 + rows_seen // PAGE)
    by_shard = roots * len(shards) * (1 + rows_seen // (256 * PAGE))
    if not may_list or by_row <= min(whole, by_shard):
        return None
    if by_shard < whole:
        return tuple(f"{name}/" for name in sorted(shards))
    return ("",)
