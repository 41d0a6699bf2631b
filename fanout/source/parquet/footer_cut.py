"""Finds where the row groups stand in a Parquet footer, and makes the footer of some of them; pure.

A footer names every column of every row group: read whole by each of many shards, it would be read many times over.
pyarrow reads and writes footers, but does not tell where in them a row group stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.domain.thrift import DamagedError, Kind, Reader, encoded_items

MAGIC = b"PAR1"
_ROW_GROUPS = 4
"""The field of `FileMetaData` in parquet.thrift."""


@dataclass(frozen=True, slots=True)
class FooterPlaces:
    """Where parts of a footer begin, from its first byte on.

    Attributes:
        count_at: The number of row groups.
        starts: Each row group, and what follows the last.
        size_bytes: Its length.
    """

    count_at: int
    starts: tuple[int, ...]
    size_bytes: int

    def ranges(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """Return what of the footer is needed for the row groups from `first` up to `last`; see `joined`."""
        return (
            (0, self.count_at),
            (self.starts[first], self.starts[last]),
            (self.starts[-1], self.size_bytes),
        )


def footer_places(footer: bytes) -> FooterPlaces | None:
    """Return where the row groups of a footer stand; None if it is of a kind that is not known here."""
    reader, found = Reader(footer), None
    try:
        for number, kind in reader.fields():
            if number == _ROW_GROUPS and kind is Kind.LIST:
                found = _row_groups(reader)
            else:
                reader.value(kind)
    except DamagedError:
        return None
    return None if found is None else FooterPlaces(*found, len(footer))


def _row_groups(reader: Reader) -> tuple[int, tuple[int, ...]]:
    count_at = reader.position
    kind, count = reader.items()
    if kind is not Kind.STRUCT:
        raise DamagedError("row groups are structs")
    starts = [reader.position]
    for _ in range(count):
        reader.struct()
        starts.append(reader.position)
    return count_at, tuple(starts)


def joined(pieces: tuple[bytes, ...], *, groups: int) -> bytes:
    """Return the footer of so many row groups, of the bytes of `FooterPlaces.ranges`."""
    before, own, behind = pieces
    return before + encoded_items(Kind.STRUCT, groups) + own + behind


def as_file(footer: bytes) -> bytes:
    """Return a file that has nothing but a footer."""
    return MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC
