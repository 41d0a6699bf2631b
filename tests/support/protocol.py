"""The durability protocol of one row as an explicit-state model: what is durable, what is in memory, what AWS has.

Enters a set of `Flaw`s (none: the protocol as built), leaves every reachable state and the shortest way to each.
Budgets bound it: two crashes, one lost reply, one lost notification, one doubled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, unique
from typing import Literal, NamedTuple

Journal = Literal["new", "intent", "accepted", "durable"]
Row = Literal["new", "intended", "sending", "accepted", "unknown", "claimed", "settled", "written", "durable"]


@unique
class Flaw(Enum):
    """A step of the protocol left out."""

    NO_INTENT = "the intent is not journalled before the send"
    SDK_RETRIES = "the SDK repeats a request whose reply was lost"
    UNJOURNALLED_RESENDS = "re-sends are counted in memory alone"
    NO_RECONCILER = "no reconciler looks for outputs"
    NO_DEDUPLICATION = "a second notification is taken for a second result"
    UNKNOWN_IS_NEW = "after a crash, an intended row is taken for one that was never sent"
    DELETE_FIRST = "messages are deleted when they are received"
    COMMIT_FIRST = "the journal calls a row durable before its part file is"


class State(NamedTuple):
    """One row's world. Durable: journal to output. Lost with the process: row to held. AWS: request to queue."""

    journal: Journal = "new"
    counted: int = 0
    """Re-sends that the journal knows."""
    known_parts: int = 0
    """How often the row stands in parts that the journal calls durable."""
    orphan: bool = False
    """A part file is there that the journal does not know."""
    hollow: bool = False
    """The journal calls a part durable whose file is not there."""
    output: bool = False
    up: bool = True
    row: Row = "new"
    resends: int = 0
    early: bool = False
    """A notification came while the request was in flight."""
    buffered: int = 0
    held: int = 0
    """Messages received and not deleted."""
    request: Literal["none", "request", "reply"] = "none"
    taken: int = 0
    """Acceptances."""
    running: int = 0
    finished: bool = False
    """The output object is there."""
    queue: int = 0
    deleted_early: bool = False
    crashes: int = 2
    lost_replies: int = 1
    lost_notices: int = 1
    doubled_notices: int = 1


Flaws = frozenset[Flaw]
Step = tuple[str, State]


def steps(state: State, flaws: Flaws) -> Iterator[Step]:
    """Yield everything that may happen next, by name."""
    if state.output:
        return
    yield from _world(state)
    if not state.up:
        yield "restart", _restarted(state, flaws)
        return
    if state.crashes:
        yield "crash", _crashed(state)
    yield from _sending(state, flaws)
    yield from _collecting(state, flaws)
    yield from _storing(state, flaws)


def _world(state: State) -> Iterator[Step]:
    if state.request == "request":
        reply: Literal["none", "reply"] = "reply" if state.up else "none"
        taken = state._replace(request=reply, taken=state.taken + 1, running=state.running + 1)
        yield "the endpoint accepts", taken
        if not state.up:
            yield "the request is lost", state._replace(request="none")
    if state.running:
        ended = state._replace(running=state.running - 1, finished=True)
        yield "the model answers", ended._replace(queue=ended.queue + 1)
        if state.lost_notices:
            yield "the notification is lost", ended._replace(lost_notices=state.lost_notices - 1)
        if state.doubled_notices:
            doubled = ended._replace(queue=ended.queue + 2, doubled_notices=state.doubled_notices - 1)
            yield "the notification is doubled", doubled


def _crashed(state: State) -> State:
    """Memory is gone, messages become visible again, a reply under way has no process to go to."""
    return state._replace(
        up=False,
        row="new",
        resends=0,
        early=False,
        buffered=0,
        held=0,
        queue=state.queue + state.held,
        request="request" if state.request == "request" else "none",
        crashes=state.crashes - 1,
    )


def _restarted(state: State, flaws: Flaws) -> State:
    rows: dict[Journal, Row] = {
        "new": "new",
        "intent": "new" if Flaw.UNKNOWN_IS_NEW in flaws else "unknown",
        "accepted": "accepted",
        "durable": "durable",
    }
    return state._replace(up=True, row=rows[state.journal], resends=state.counted, orphan=False)


def _sending(state: State, flaws: Flaws) -> Iterator[Step]:
    if state.row == "new":
        yield "intend", _intended(state, flaws)
    elif state.row == "unknown" and not state.finished:
        # It was looked for and is nowhere: sent again, counted.
        yield "intend again", _intended(state._replace(resends=state.resends + 1), flaws)
    elif state.row == "intended":
        yield "send", state._replace(row="sending", request="request")
    elif state.row == "sending" and state.request == "reply":
        yield "the 202 arrives", state._replace(row=_heard(state, "accepted"), request="none", early=False)
        if state.lost_replies:
            lost = state._replace(lost_replies=state.lost_replies - 1, request="none")
            if Flaw.SDK_RETRIES in flaws:
                yield "the reply is lost, the SDK sends again", lost._replace(request="request")
            else:
                yield "the reply is lost", lost._replace(row=_heard(state, "unknown"), early=False)
    elif state.row == "accepted" and state.journal == "intent":
        yield "journal the acceptance", state._replace(journal="accepted")


def _heard(state: State, otherwise: Row) -> Row:
    return "claimed" if state.early else otherwise


def _intended(state: State, flaws: Flaws) -> State:
    if Flaw.NO_INTENT in flaws:
        return state._replace(row="intended")
    counted = state.counted if Flaw.UNJOURNALLED_RESENDS in flaws else state.resends
    return state._replace(row="intended", journal="intent", counted=counted)


def _collecting(state: State, flaws: Flaws) -> Iterator[Step]:
    if state.queue:
        taken = state._replace(queue=state.queue - 1, held=state.held + 1)
        if (
            Flaw.DELETE_FIRST in flaws or state.row == "new"
        ):  # a message of a row that was never sent is a stranger's
            early = state.deleted_early or state.journal != "durable"
            taken = taken._replace(held=state.held, deleted_early=early)
        if state.row in {"intended", "accepted", "unknown"}:
            yield "a notification claims the row", taken._replace(row="claimed")
        elif state.row == "sending":
            yield "a notification comes before the 202", taken._replace(early=True)
        elif Flaw.NO_DEDUPLICATION in flaws and state.row in {"settled", "written"}:
            yield "a second notification is a second result", taken._replace(buffered=state.buffered + 1)
        else:
            yield "a notification is a repetition", taken
    if state.row in {"accepted", "unknown"} and state.finished and Flaw.NO_RECONCILER not in flaws:
        yield "the reconciler finds the output", state._replace(row="claimed")
    if state.held and state.journal == "durable":
        yield "delete a message", state._replace(held=state.held - 1)


def _storing(state: State, flaws: Flaws) -> Iterator[Step]:
    if state.row == "claimed":
        yield "fetch", state._replace(row="settled", buffered=state.buffered + 1)
    elif state.row == "settled" and Flaw.COMMIT_FIRST in flaws:
        committed = state._replace(row="written", journal="durable", hollow=True)
        yield "commit", committed._replace(known_parts=state.known_parts + state.buffered, buffered=0)
    elif state.row == "settled":
        yield "write the part", state._replace(row="written", orphan=True)
    elif state.row == "written" and Flaw.COMMIT_FIRST in flaws:
        yield "write the part", state._replace(row="durable", hollow=False)
    elif state.row == "written":
        committed = state._replace(row="durable", journal="durable", orphan=False, buffered=0)
        yield "commit", committed._replace(known_parts=state.known_parts + state.buffered)
    elif state.row == "durable" and not state.hollow:
        yield "merge", state._replace(output=True)


def broken(state: State) -> Iterator[str]:
    """Yield the invariants that `state` breaks."""
    if state.known_parts > 1:
        yield "I1"  # the row stands in the output twice
    if state.taken > 1 + state.counted:
        yield "I2"  # accepted more often than the journalled re-sends allow
    if state.deleted_early:
        yield "I3"  # a message was deleted before its row was durable
    if state.hollow and not state.up:
        yield "I4"  # what was called durable is gone


class Explored(NamedTuple):
    """All reachable states, how each was reached first, and what follows from each."""

    before: dict[State, tuple[State, str] | None]
    after: dict[State, list[State]]

    def way(self, state: State) -> list[str]:
        """Return the shortest way to `state`, by names of steps."""
        names: list[str] = []
        while (step := self.before[state]) is not None:
            state, name = step
            names.append(name)
        return names[::-1]

    def broken(self) -> dict[str, list[str]]:
        """Return the shortest way to each invariant that breaks anywhere; I8 is that the run cannot end any more."""
        stuck = self.stuck()
        ways: dict[str, list[str]] = {}
        for state in self.before:  # breadth first: the first one is the nearest
            for invariant in (*broken(state), *(["I8"] if state in stuck else [])):
                if invariant not in ways:
                    ways[invariant] = self.way(state)
        return ways

    def stuck(self) -> set[State]:
        """Return the states from which no output can be reached any more."""
        sources: dict[State, list[State]] = {state: [] for state in self.after}
        for state, following in self.after.items():
            for each in following:
                sources[each].append(state)
        good = {state for state in self.after if state.output}
        todo = list(good)
        while todo:
            for source in sources[todo.pop()]:
                if source not in good:
                    good.add(source)
                    todo.append(source)
        return self.after.keys() - good


def explore(flaws: Flaws = frozenset()) -> Explored:
    """Return everything that can happen, breadth first."""
    start = State()
    before: dict[State, tuple[State, str] | None] = {start: None}
    after: dict[State, list[State]] = {}
    todo = deque([start])
    while todo:
        state = todo.popleft()
        after[state] = []
        for name, following in steps(state, flaws):
            after[state].append(following)
            if following not in before:
                before[following] = (state, name)
                todo.append(following)
    return Explored(before, after)
