"""Decides which footers stand beside the plan of a run of several shards: those that its shards would read again; pure.

Who plans has read every footer. A shard reads its own pack of them by one request, and no footer of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fanout.source.files import InputFile
from fanout.source.footer_pack import PACKS_BYTES, FooterPack, PackPlace, open_pack, pack
from fanout.source.kept_footers import KeptFooters
from fanout.source.parquet.footer_cut import whole, without_statistics
from fanout.source.units import Unit

FOOTERS_SHARE = 1 / 100
"""What shards may read of footers again, of all bytes of the input, before it is worth an object beside the plan: half
of what docs/shards.md promises (1.02 times the input), as the look at the ends of the files may take the other half."""


@dataclass(frozen=True, slots=True)
class Packs:
    """The packs of all shards.

    Attributes:
        body: All of them, one after the other; nothing if they would save too little.
        places: Of each shard, where its own stands; None where it has none.
    """

    body: bytes
    places: tuple[PackPlace | None, ...]


def packed(shares: Sequence[tuple[Unit, ...]], files: Sequence[InputFile], kept: KeptFooters) -> Packs:
    """Return the footers that shards would read again, where these are more than a small share of the input.

    Args:
        shares: The units of each shard, with what each has to read of its file's footer.
        files: All files.
        kept: Their footers, as far as they were kept.
    """
    begins = {file.path: file.footer[0][0] for file in files if file.footer}
    units = [unit for share in shares for unit in share]
    again = sum(footer_bytes(unit) for unit in units if unit.path in kept)
    whole_bytes = sum(unit.size_bytes for unit in units)
    if again <= FOOTERS_SHARE * whole_bytes:
        return Packs(b"", (None,) * len(shares))
    packs = _joined(_pack(share, begins, kept) for share in shares)
    if len(packs.body) > FOOTERS_SHARE * whole_bytes:  # of texts, nearly all of a footer are statistics
        packs = _joined(_pack(share, begins, kept, made=without_statistics) for share in shares)
    return packs


def _joined(each: Iterable[bytes]) -> Packs:
    """Return packs one after the other, as many as there is room for."""
    bodies: list[bytes] = []
    places: list[PackPlace | None] = []
    end = 0
    for body in each:
        if not body or end + len(body) > PACKS_BYTES:
            places.append(None)
            continue
        places.append(PackPlace(end, len(body), sha256(body).hexdigest()))
        bodies.append(body)
        end += len(body)
    return Packs(b"".join(bodies), tuple(places))


def _pack(
    share: Sequence[Unit],
    begins: Mapping[str, int],
    kept: KeptFooters,
    *,
    made: Callable[[bytes], bytes] = lambda footer: footer,
) -> bytes:
    """Return the pack of a shard, each footer `made` shorter; nothing if none of them was kept."""
    if not any(unit.path in kept for unit in share):
        return b""
    return pack(made(footer) if (footer := _footer(unit, begins, kept)) else b"" for unit in share)


def own_pack(body: bytes, place: PackPlace, units: Sequence[Unit]) -> FooterPack | None:
    """Return the pack of a shard that reads `units`; see `open_pack`."""
    return open_pack(body, place, [(unit.path, footer_bytes(unit)) for unit in units])


def footer_bytes(unit: Unit) -> int:
    """Return how many bytes of its file's footer a unit reads, as far as that is known."""
    return sum(end - start for start, end in unit.footer or ())


def _footer(unit: Unit, begins: Mapping[str, int], kept: KeptFooters) -> bytes:
    """Return the footer of what a unit reads, if that of its file was kept.

    Without rows, nothing else of the file is read, and reading the footer alone tells that it is still the same file.
    """
    footer = kept.get(unit.path) if unit.rows and unit.footer else None
    if footer is None or unit.footer is None:
        return b""
    begin = begins[unit.path]
    pieces = [footer[start - begin : end - begin] for start, end in unit.footer]
    return whole(pieces, groups=(unit.end or 0) - (unit.start or 0))
