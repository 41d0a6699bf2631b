"""Counts the open rows by state, and what notices and re-sends came to."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.engine.open_row import NOT_RECEIVED, Claim, State


@dataclass(frozen=True, slots=True)
class OpenRowsStatistics:
    """A snapshot: rows by state, and the counts that say how messages and sends went.

    Attributes:
        resends: Requests that left while an earlier one might have been received.
        possible_resends: Those of them before which no request certainly left: an earlier process was killed.
    """

    open: int
    in_flight: int
    accepted: int
    claimed: int
    unknown: int
    undurable: int
    resends: int
    duplicates: int
    strangers: int
    possible_resends: int = 0


class RowCounts:
    """The counts of one run."""

    def __init__(self) -> None:
        self._states = dict.fromkeys(State, 0)
        self._claims = dict.fromkeys(Claim, 0)
        self._resends = self._possible_resends = 0

    def enter(self, state: State) -> None:
        """Count a row that is open from now on."""
        self._states[state] += 1

    def move(self, before: State, after: State) -> None:
        """Count a row in another state."""
        self._states[before] -= 1
        self._states[after] += 1

    def claim(self, claim: Claim) -> None:
        """Count a notice."""
        self._claims[claim] += 1

    def resend(self, sent_at: float | None) -> None:
        """Count a request while an earlier one might have been received; `sent_at`: when one certainly left."""
        self._resends += 1
        self._possible_resends += sent_at is None

    @property
    def accepted(self) -> int:
        """Rows that the endpoint has taken and that wait for a notice."""
        return self._states[State.ACCEPTED]

    @property
    def due(self) -> int:
        """Rows whose intents are durable and that wait for their turn to be sent."""
        return self._states[State.INTENDED] + self._states[State.REINTENDED]

    @property
    def busy(self) -> int:
        """Rows with which something is going on: in flight, in the endpoint's queue, or being fetched."""
        states = self._states
        return states[State.SENT] + states[State.RESENT] + states[State.ACCEPTED] + states[State.CLAIMED]

    @property
    def received(self) -> int:
        """Rows that the endpoint has, or may have, and that have no outcome."""
        ended = NOT_RECEIVED | {State.SETTLED}
        return sum(count for state, count in self._states.items() if state not in ended)

    def statistics(self, *, open_rows: int, undurable: int) -> OpenRowsStatistics:
        """Return a snapshot."""
        states, claims = self._states, self._claims
        return OpenRowsStatistics(
            open=open_rows,
            in_flight=states[State.SENT] + states[State.RESENT],
            accepted=states[State.ACCEPTED],
            claimed=states[State.CLAIMED],
            unknown=states[State.UNCERTAIN] + states[State.REQUEUED] + states[State.REINTENDED],
            undurable=undurable,
            resends=self._resends,
            duplicates=claims[Claim.PENDING] + claims[Claim.DONE],
            strangers=claims[Claim.STRANGER],
            possible_resends=self._possible_resends,
        )
