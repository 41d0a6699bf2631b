"""Decides whether an endpoint takes payloads in the request, by what it accepts; pure.

A list of regions may be wrong, and what AWS answers where inline is not offered is not documented: no text is read. A
refused request was not received, so the row is sent via S3. If that is accepted while no inline request ever was, all
payloads go that way; if it is refused too, the row was at fault. One accepted inline request settles it for good.
"""

from __future__ import annotations

from enum import Enum, unique

HOPELESS_ROWS = 20
"""Where there is no other way: so many refused rows, and none accepted, are not at fault; fewer may be."""
TRIES = 3
"""Requests of one such row, before it counts as the row's own fault."""


@unique
class Refusal(Enum):
    """What a refused inline request means."""

    ROW = "row"
    """The row is at fault."""
    VIA_S3 = "via s3"
    """The row is to be sent via S3."""
    AGAIN = "again"
    """Nothing is known yet, and there is no other way: it is sent again in a while."""
    HOPELESS = "hopeless"
    """Nothing can be sent."""


class InlineSupport:
    """What is known of an endpoint.

    Attributes:
        is_proven: An inline request was accepted.
        is_refused: The same payload was refused in the request and accepted via S3, and no inline request ever was
            accepted: all payloads go via S3.
    """

    def __init__(self) -> None:
        self.is_proven = False
        self.is_refused = False
        self._via_s3: set[int] = set()
        self._tries: dict[int, int] = {}

    def refused(self, row: int, *, has_way_round: bool) -> Refusal:
        """Return what it means that the payload of `row` was refused in a request that nothing is wrong with.

        Args:
            row: Its number.
            has_way_round: Whether it may travel via S3, and there is a place for it.
        """
        if self.is_proven:
            return Refusal.ROW
        if has_way_round:
            self._via_s3.add(row)
            return Refusal.VIA_S3
        tries = self._tries[row] = self._tries.get(row, 0) + 1
        if len(self._tries) >= HOPELESS_ROWS:
            return Refusal.HOPELESS
        return Refusal.AGAIN if tries < TRIES else Refusal.ROW

    def accepted_inline(self) -> None:
        """Note that a payload was accepted in the request."""
        self.is_proven, self.is_refused = True, False
        self._via_s3.clear()
        self._tries.clear()

    def accepted_via_s3(self, row: int) -> bool:
        """Note that a request without a payload was accepted; return whether inline is now known to be refused."""
        if self.is_proven or self.is_refused or row not in self._via_s3:
            return False
        self.is_refused = True
        return True
