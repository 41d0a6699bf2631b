"""Finds where the row groups stand in a Parquet footer, and makes the footer of some of them; pure.

A footer names every column of every row group: read whole by each of many shards, it would be read many times over.
It is a Thrift struct in the compact protocol, whose values tell their lengths; pyarrow reads it, but gives no place.
"""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = b"PAR1"
_ROW_GROUPS = 4
"""The field of `FileMetaData` in parquet.thrift."""
_STOP, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 8, 9, 10, 11, 12
_BOOLS, _VARINTS, _FIXED = (1, 2), (4, 5, 6), {3: 1, 7: 8}
_LONG_LIST = 15  # a list of as many or more tells how many by a number behind its first byte


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
    try:
        return _Scan(footer).places()
    except (IndexError, ValueError, RecursionError):
        return None


def joined(pieces: tuple[bytes, ...], *, groups: int) -> bytes:
    """Return the footer of so many row groups, of the bytes of `FooterPlaces.ranges`."""
    before, own, behind = pieces
    return before + _list_header(groups) + own + behind


def as_file(footer: bytes) -> bytes:
    """Return a file that has nothing but a footer."""
    return MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC


def _list_header(count: int) -> bytes:
    if count < _LONG_LIST:
        return bytes([count << 4 | _STRUCT])
    written = bytearray([_LONG_LIST << 4 | _STRUCT])
    while count > 0x7F:
        written.append(count & 0x7F | 0x80)
        count >>= 7
    written.append(count)
    return bytes(written)


class _Scan:
    """Goes through a struct, field by field."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def places(self) -> FooterPlaces:
        """Return where the row groups are.

        Raises:
            IndexError: The footer ends too early.
            ValueError: It has no row groups, or something that is not known here.
        """
        found: tuple[int, tuple[int, ...]] | None = None
        field = 0
        while (header := self._byte()) != _STOP:
            field = field + (header >> 4) if header >> 4 else self._zigzag()
            if field == _ROW_GROUPS and header & 0x0F == _LIST:
                found = self._row_groups()
            else:
                self._skip(header & 0x0F)
        if found is None:
            raise ValueError("no row groups")
        # What follows is a signature, of an encrypted file: that one is refused elsewhere.
        return FooterPlaces(found[0], found[1], len(self._content))

    def _row_groups(self) -> tuple[int, tuple[int, ...]]:
        count_at = self._at
        count, kind = self._list()
        if kind != _STRUCT:
            raise ValueError("row groups are structs")
        starts = [self._at]
        for _ in range(count):
            self._skip(_STRUCT)
            starts.append(self._at)
        return count_at, tuple(starts)

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _list(self) -> tuple[int, int]:
        header = self._byte()
        count = header >> 4
        return self._bounded(self._varint() if count == _LONG_LIST else count), header & 0x0F

    def _bounded(self, count: int) -> int:
        """Return how many values follow, each of which has a byte at least: a damaged number would take years."""
        if count > len(self._content) - self._at:
            raise ValueError(f"{count} values")
        return count

    def _skip(self, kind: int, *, within: bool = False) -> None:
        """Pass over a value; a bool `within` a list has a byte of its own, else its field's header says it."""
        if kind in _VARINTS:
            while self._byte() > 0x7F:
                pass
        elif kind == _BINARY:
            size = self._varint()
            self._at += size
        elif kind in _FIXED:
            self._at += _FIXED[kind]
        elif kind in _BOOLS:
            self._at += within
        else:
            self._skip_values(kind)

    def _skip_values(self, kind: int) -> None:
        """Pass over what holds other values."""
        if kind == _STRUCT:
            while (header := self._byte()) != _STOP:
                if not header >> 4:
                    self._varint()
                self._skip(header & 0x0F)
            return
        if kind == _MAP:
            count = self._bounded(self._varint())
            header = self._byte() if count else 0
            kinds: tuple[int, ...] = (header >> 4, header & 0x0F)
        elif kind in {_LIST, _SET}:
            count, inner = self._list()
            kinds = (inner,)
        else:
            raise ValueError(f"type {kind}")
        for _ in range(count):
            for each in kinds:
                self._skip(each, within=True)
