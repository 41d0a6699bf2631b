"""Says what becomes of the rows that a rebuild cannot tell of, and what each choice costs; pure."""

from __future__ import annotations

from collections.abc import Mapping

from fanout.commands.rebuild import Rebuilt
from fanout.errors import UsageError
from fanout.text import quoted

CHOICES: Mapping[str, str] = {
    "resend": "looks for each as long as results take, then sends it again",
    "settle": "waits until the endpoint's backlog is empty and no result has come for a minute, then sends the rest",
    "wait": "sends one again once its TTL and timeout have passed",
    "never": "sends none again: what is not found ends as a row of status unknown",
}
"""Of `--unknown`, and what it does."""


def in_doubt(rebuilt: Rebuilt) -> str:
    """Return how many rows may be sent twice, as a sentence without its end."""
    return (
        f"up to {rebuilt.unknown:,} rows may have been sent, and no result of them is in S3: those that the endpoint "
        "has would be served and billed twice if they were sent again"
    )


def not_chosen(rebuilt: Rebuilt, run: str) -> UsageError:
    """Return the error of a rebuild without a word on what becomes of these rows."""
    ways = "; ".join(f"{word} {meaning}" for word, meaning in CHOICES.items())
    return UsageError(
        f"{in_doubt(rebuilt)}. Say what becomes of them: `fanout resume {quoted(run)} --rebuild --unknown CHOICE`, "
        f"where {ways}. The journal is as it was, and nothing was sent"
    )
