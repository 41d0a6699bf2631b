"""Holds the first rows of a pipe back until each needed field was seen: a pipe can be read only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fanout.domain.records import Record, Rejected
from fanout.errors import InputError
from fanout.source.chunks import weight_bytes
from fanout.source.jsonl.field_check import LINES, missing_field
from fanout.source.names import MISSING, find
from fanout.source.settings import CHUNK_BYTES


class StreamCheck:
    """Which of the needed fields the rows of a stream have shown so far."""

    def __init__(self, required: Iterable[str]) -> None:
        self._unseen = dict.fromkeys(required)
        self._rows: list[Mapping[str, object]] = []

    @property
    def done(self) -> bool:
        """Whether nothing is left to be seen."""
        return not self._unseen

    def look(self, row: Mapping[str, object]) -> None:
        """Take note of a row's fields."""
        if self._unseen:
            self._rows.append(row)
            self._unseen = {name: None for name in self._unseen if find(row, name) is MISSING}

    def held(
        self, items: Iterable[Record | Rejected | None], path: str
    ) -> Iterator[Record | Rejected | None]:
        """Yield `items`, which `look` is called for while they are made, the first ones not before it is sure of them.

        Raises:
            InputError: A field is in none of the first rows; none of them was yielded.
        """
        waiting: list[Record | Rejected] = []
        size_bytes = 0
        rest = iter(items)
        try:
            for item in rest:
                if item is not None:
                    waiting.append(item)
                    size_bytes += weight_bytes(item)
                if self.done or len(waiting) >= LINES or size_bytes >= CHUNK_BYTES:
                    break
        except InputError:  # the rows before the damage count
            yield from waiting
            raise
        if self._unseen and self._rows:
            raise missing_field(path, next(iter(self._unseen)), self._rows)
        self._unseen = {}
        self._rows.clear()
        yield from waiting
        yield None
        yield from rest
