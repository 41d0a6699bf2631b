"""Knows where the objects of open rows stand: their outputs, and their failure objects.

Replies say where; without one, an object is presumed to stand where the request asked for it. A row keeps a place of
its own only where it is not the expected one. `OpenRows` alone calls the methods that write to a row.
"""

from __future__ import annotations

from fanout.domain.location import Location
from fanout.domain.output_paths import OutputPaths
from fanout.domain.records import Reply
from fanout.engine.open_row import OpenRow


class RowPlaces:
    """The places of one run's objects.

    Args:
        outputs: Where outputs stand; learns from replies.
        failures: Where failure objects stand; learns from replies.
    """

    def __init__(self, *, outputs: OutputPaths, failures: OutputPaths) -> None:
        self.outputs = outputs
        self.failures = failures

    def output(self, row: OpenRow) -> Location | None:
        """Return where a row's output stands or should, None if nothing is known of it."""
        return self.outputs.resolve(row.output, row.number, row.generation)

    def failure(self, row: OpenRow) -> Location | None:
        """Return where a row's failure object would stand; None if nothing is known of such a place."""
        return self.failures.resolve(row.failure, row.number, row.generation)

    def learn(self, row: OpenRow, reply: Reply) -> None:
        """Take note of the places that the reply to a request names."""
        number, generation = row.number, row.generation
        row.output = self.outputs.learn(reply.output_location, row=number, generation=generation)
        if reply.failure_location is not None:
            row.failure = self.failures.learn(reply.failure_location, row=number, generation=generation)

    def presume(self, row: OpenRow) -> None:
        """Presume the places that no reply has named."""
        row.output = row.output or self.outputs.presumed(row.number, row.generation)
        row.failure = row.failure or self.failures.presumed(row.number, row.generation)

    def note(self, row: OpenRow, location: Location, *, completed: bool) -> None:
        """Take note of where the row's output was found, or its failure object if it was not `completed`."""
        if completed:
            row.output = self.outputs.shorten(location, row.number, row.generation)
        else:
            row.failure = self.failures.shorten(location, row.number, row.generation)
