"""Decides whether a claim on an output may go: not while its run lives, or can be seen to be unfinished; pure.

A claim is what keeps the next start from sending all rows of an unfinished run again.
"""

from __future__ import annotations

from typing import Literal

from fanout.domain.dead_runs import QUEUE_SILENT_S, Verdict
from fanout.text import quoted

RENEWED_S = 45.0
"""A claim in S3 that was renewed so recently is its owner's: three renewals."""
Run = Literal["at work", "unfinished", "over", "out of sight"]
"""What is seen of a claim's run: `over` where it finished, never began, or keeps nothing to go on with."""


def judge_claim(run: Run, *, where: str, silent_s: float, older_than_s: float) -> Verdict:
    """Return whether a claim may go.

    Args:
        run: What is seen of its run.
        where: The run's directory or place.
        silent_s: How long ago the claim was last written, by the clock of what keeps it.
        older_than_s: What the person asks for.
    """
    gone = False
    if run == "at work":
        reason = f"its run is at work in {where}"
    elif run == "unfinished":
        named = quoted(where)
        reason = f"its run in {where} is unfinished: `fanout resume {named}`, or `fanout discard {named}`"
    elif silent_s < older_than_s:
        reason = "it was written more recently than --older-than says"
    elif run == "over":
        gone, reason = True, "its run is over"
    elif silent_s < QUEUE_SILENT_S:
        reason = f"its run may be alive: it was silent for less than {QUEUE_SILENT_S / 60:g} min"
    else:
        gone, reason = True, f"its run has been silent for more than {QUEUE_SILENT_S / 60:g} min"
    return Verdict(gone=gone, reason=reason, age_s=silent_s)
