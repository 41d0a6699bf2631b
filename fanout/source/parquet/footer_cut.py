"""Finds where the row groups stand in a Parquet footer, and makes the footer of some of them; pure.

A footer names every column of every row group: read whole by each of many shards, it would be read many times over.
pyarrow reads and writes footers, but does not tell where in them a row group stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanout.domain.thrift import DamagedError, Kind, List, Reader, Struct, Value, encoded, encoded_items

MAGIC = b"PAR1"
_ROW_GROUPS = 4
"""The field of `FileMetaData` in parquet.thrift."""
_PIECES = 3
"""Of a footer of some row groups: see `FooterPlaces.ranges`."""
_COLUMNS, _META_DATA, _STATISTICS = 1, 3, 12
"""The fields of `RowGroup`, `ColumnChunk` and `ColumnMetaData` likewise."""


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


def is_cut(pieces: Sequence[object]) -> bool:
    """Whether these pieces of a footer are those of some of its row groups, and not all of it."""
    return len(pieces) == _PIECES


def whole(pieces: Sequence[bytes], *, groups: int) -> bytes:
    """Return a footer that is read in one piece, or that of so many row groups, of `FooterPlaces.ranges`."""
    return joined(pieces, groups=groups) if is_cut(pieces) else b"".join(pieces)


def joined(pieces: Sequence[bytes], *, groups: int) -> bytes:
    """Return the footer of so many row groups, of the bytes of `FooterPlaces.ranges`."""
    before, own, behind = pieces
    return before + encoded_items(Kind.STRUCT, groups) + own + behind


def without_statistics(footer: bytes) -> bytes:
    """Return a footer without its columns' least and largest values, which reading rows does not need.

    Of texts these are as long as two of them in each row group. A footer of a kind that is not known stays as it is.
    """
    try:
        content = Reader(footer).struct()
    except DamagedError:
        return footer
    for group in _structs(content.get(_ROW_GROUPS)):
        for column in _structs(group.get(_COLUMNS)):
            _, meta_data = column.get(_META_DATA, (Kind.STRUCT, {}))
            if isinstance(meta_data, dict):
                meta_data.pop(_STATISTICS, None)
    return encoded(content)


def _structs(field: tuple[Kind, Value] | None) -> Iterator[Struct]:
    """Yield the structs in a list."""
    if field is not None and isinstance(field[1], List):
        yield from (item for item in field[1].items if isinstance(item, dict))


def as_file(footer: bytes) -> bytes:
    """Return a file that has nothing but a footer."""
    return MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC
