"""Decides whether a run place in S3 may go: not while a process is at it, or it holds what is nowhere else; pure.

What an unfinished run has collected stands at its place alone, and its rows were paid for.
"""

from __future__ import annotations

from typing import Literal

from fanout.domain.dead_runs import Verdict
from fanout.text import quoted

State = Literal["at work", "finished", "unfinished", "never began", "damaged"]
"""What is seen of a place's run: `never began` where it ended before it sent anything."""
Unfinished = Literal["keep", "give up"]
"""What becomes of runs that can be gone on with."""


def judge_place(
    state: State, *, where: str, age_s: float, older_than_s: float, keeps: bool, unfinished: Unfinished
) -> Verdict:
    """Return whether a place may go.

    Args:
        state: What is seen of its run.
        where: The place.
        age_s: How long ago something was last written there, by S3's clock.
        older_than_s: What the person asks for.
        keeps: Whether its run was asked to keep all its files.
        unfinished: What the person says of unfinished runs.
    """
    gone = False
    if state == "at work":
        reason = f"its run is at work in {where}"
    elif state == "damaged":
        reason = f"what stands there cannot be read: `fanout status {quoted(where)}` says why"
    elif state == "unfinished" and unfinished == "keep":
        named = quoted(where)
        reason = (
            f"its run is unfinished: `fanout resume {named}`, `fanout discard {named}`, or --unfinished here"
        )
    elif state == "finished" and keeps:
        reason = "its run was asked to keep its files (run.keep_dir)"
    elif age_s < older_than_s:
        reason = "it was written more recently than --older-than says"
    else:
        gone = True
        reason = {
            "finished": "its run has finished",
            "unfinished": "its run is unfinished, and is given up by --unfinished",
            "never began": "its run ended before it sent anything",
        }[state]
    return Verdict(gone=gone, reason=reason, age_s=age_s)
