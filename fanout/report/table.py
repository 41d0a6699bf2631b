"""Holds one table as text cells; terminal, Markdown and page draw the same one."""

from __future__ import annotations

from dataclasses import dataclass

from fanout.text import escape

Row = tuple[str, ...]
NAMES = {"inline": "inline", "s3": "S3", "existing": "S3, there before"}
"""What a person calls the transports."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `left` are the columns of words, which are aligned to the left.

    Its texts are those of files: a model, a topic or a name may have put into them what commands a terminal, or what
    turns the direction of a line. No form of the table holds that.

    Attributes:
        wrapped: Columns of sentences and paths, which break into lines where room is short.
    """

    title: str
    head: Row
    rows: tuple[Row, ...]
    left: frozenset[int] = frozenset({0})
    wrapped: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Escape every text."""
        object.__setattr__(self, "title", escape(self.title))
        object.__setattr__(self, "rows", tuple(tuple(map(escape, row)) for row in self.rows))


def titled(title: str, *, simulated: bool) -> str:
    """Return a title that says whether its numbers are simulated: tables are cut out and pasted elsewhere."""
    return f"{title} (simulated)" if simulated else title
