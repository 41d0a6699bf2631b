"""Divides the files of an input among shards by bytes: in order, contiguous, each piece with one shard; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

_WHOLE = 8
"""A file of less than this part of a share is read whole: a cut would even out nothing that a person could see, and
costs the numbers of its lines."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A file as it is divided.

    Attributes:
        size_bytes: Its length.
        atoms: Weights of the pieces that it falls into, such as row groups; one for a file that is read whole; None
            for one that may be cut at any byte.
    """

    size_bytes: int
    atoms: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Slice:
    """What a shard reads of a file: half-open, in bytes or in atoms.

    Attributes:
        file: Index of the file.
        size_bytes: Bytes of the file that stand behind it.
    """

    file: int
    start: int
    end: int
    size_bytes: int


def divide(files: Sequence[Measured], shards: int) -> list[list[Slice]]:
    """Return what each of so many shards reads; none of it twice, in the order of the files.

    A file without atoms is cut where a share ends. An atom goes to the shard in whose share its middle lies, so that
    a share is wrong by half an atom at each end.
    """
    shares: list[list[Slice]] = [[] for _ in range(shards)]
    total = sum(file.size_bytes for file in files)
    before = 0
    for index, file in enumerate(files):
        if file.size_bytes:
            for shard, piece in _pieces(index, file, before=before, total=total, shards=shards):
                shares[shard].append(piece)
        before += file.size_bytes
    return shares


def _pieces(
    index: int, file: Measured, *, before: int, total: int, shards: int
) -> Iterator[tuple[int, Slice]]:
    atoms = file.atoms
    if atoms is None and file.size_bytes * shards * _WHOLE > total:
        first, last = before * shards // total, (before + file.size_bytes - 1) * shards // total
        borders = [-(-total * shard // shards) - before for shard in range(first + 1, last + 1)]
        edges = [0, *borders, file.size_bytes]
        for shard, (start, end) in enumerate(pairwise(edges), first):
            if start < end:  # there may be more shards than bytes
                yield shard, Slice(index, start, end, end - start)
        return
    weights = [file.size_bytes] if atoms is None else list(atoms)
    whole = sum(weights)
    if not whole:
        return
    # Atoms weigh as much as the file together: what they unfold to is not what is stored.
    ends = [before + weight * file.size_bytes / whole for weight in accumulate(weights, initial=0)]
    owners = [min(int((start + end) * shards / (2 * total)), shards - 1) for start, end in pairwise(ends)]
    start = 0
    while start < len(owners):
        end = start
        while end < len(owners) and owners[end] == owners[start]:
            end += 1
        size_bytes = round(ends[end]) - round(ends[start])
        # A file that is read whole is measured in bytes, however it is weighed.
        first, last = (start, end) if atoms is not None else (0, file.size_bytes)
        yield owners[start], Slice(index, first, last, size_bytes)
        start = end
