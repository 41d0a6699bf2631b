"""What a run reads of an input in S3, by how many shards: bytes asked for, as parts of the dataset, and requests.

Counted where the source asks S3, with no network: the look at the input by whoever plans, then each shard's own part,
with the footers beside the plan (docs/shards.md) and without them. "one process" is a run that is not divided.

    python benchmarks/bytes_read.py
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from machine import RESULTS, describe, save

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.plans import PLAN

from fanout.domain.location import Location
from fanout.ports import ObjectInfo
from fanout.rundir.packed_plan import MAGIC, plan_head
from fanout.rundir.shard_plan import planned
from fanout.shards.kept_plan import HEAD_BYTES
from fanout.source.footer_pack import FooterPack
from fanout.source.selection import Selection
from fanout.source.settings import InputSettings
from fanout.source.shard_footers import own_pack
from fanout.source.source import open_part, open_source
from fanout.source.units import InputPart

SHARDS = (1, 8, 32, 64)
PROMISED = 1.02  # docs/shards.md
SETTINGS = InputSettings(
    paths=["s3://b/in/"], format="auto", compression="auto", line_cap_bytes=1 << 20, batch_bytes=1 << 20
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Files that are alike: a payload of random hexadecimal digits, stored as it is, and small columns beside it."""

    name: str
    files: int
    groups: int
    rows: int
    payload_bytes: int
    columns: int

    def file(self, number: int) -> bytes:
        """Return a file, as Parquet writers write it: with statistics of every column."""
        drawn, rows = random.Random(number), self.groups * self.rows
        columns = {
            f"c{index:02d}": [drawn.getrandbits(40) for _ in range(rows)] for index in range(self.columns)
        }
        columns["text"] = [drawn.randbytes(self.payload_bytes // 2).hex() for _ in range(rows)]
        out = io.BytesIO()
        pq.write_table(
            pa.table(columns), out, row_group_size=self.rows, use_dictionary=False, compression="none"
        )
        return out.getvalue()


SHAPES = (
    Shape("a file of 60 row groups", files=1, groups=60, rows=100, payload_bytes=10_000, columns=2),
    Shape("8 files of many row groups", files=8, groups=60, rows=4, payload_bytes=11_000, columns=9),
    Shape("1,000 files of 60 KB", files=1_000, groups=1, rows=6, payload_bytes=10_000, columns=9),
    Shape(
        "1,000 files of 60 KB, fewer columns", files=1_000, groups=1, rows=6, payload_bytes=10_000, columns=2
    ),
    Shape(
        "1,000 files of 60 KB, short texts", files=1_000, groups=1, rows=30, payload_bytes=2_000, columns=2
    ),
    Shape("1,000 files of 20 KB", files=1_000, groups=1, rows=4, payload_bytes=5_000, columns=1),
)


COUNTED = ("asked_bytes", "beside_bytes", "plan_bytes")


class Counted:
    """`source.remote.Remote` of objects in memory, which counts what is asked for."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects
        self._infos = [
            ObjectInfo(
                Location("b", key), len(body), 0.0, f'"{md5(body, usedforsecurity=False).hexdigest()}"'
            )
            for key, body in objects.items()
        ]
        self.asked_bytes = self.requests = 0

    def list(self, bucket: str, prefix: str) -> Iterator[Sequence[ObjectInfo]]:  # noqa: ARG002 - as `Remote` has it
        """Yield all objects at once."""
        yield self._infos

    def begin(self, location: Location, *, start: int, size_bytes: int, etag: str) -> Came:  # noqa: ARG002 - likewise
        """Return a range, and count it."""
        body = self._objects[location.key][start : start + size_bytes]
        self.asked_bytes += len(body)
        self.requests += 1
        return Came(body)


@dataclass(frozen=True, slots=True)
class Came:
    """`source.remote.Pending`: bytes that are there."""

    body: bytes

    def result(self, check: object) -> bytes:  # noqa: ARG002 - likewise
        """Return them."""
        return self.body

    def cancel(self) -> None:
        """Do nothing: there is nothing to wait for."""


def read(objects: dict[str, bytes], shards: int | None, *, beside: bool) -> dict[str, int]:
    """Read all rows, and return how many bytes that took of the files, of the plan, and of what stands beside it.

    Args:
        objects: The files.
        shards: How many; None for a run that is not divided.
        beside: Whether footers are taken from beside the plan.
    """
    remote, selection = Counted(objects), Selection()  # all columns
    source = open_source(SETTINGS, selection, remote=remote)
    if shards is None:
        rows = sum(len(chunk) for chunk in source.read())
        return {
            "rows": rows,
            "asked_bytes": remote.asked_bytes,
            "requests": remote.requests,
            "beside_bytes": 0,
            "plan_bytes": 0,
        }
    units, rows, beside_bytes = source.units(shards), 0, 0
    packs = source.packs(units)
    places = packs.places if beside else [None] * shards
    plan = replace(PLAN, known=source.known, shards=planned(units, places)).dump_packed()
    for index, own in enumerate(units):
        place = packs.places[index] if beside else None
        footers: FooterPack | None = None
        if place is not None:
            footers = own_pack(packs.body[place.start : place.start + place.size_bytes], place, own)
            assert footers is not None, "what was packed comes back"
            beside_bytes += place.size_bytes
            remote.requests += 1
        part = InputPart(index, shards, own, source.known, footers)
        rows += sum(len(chunk) for chunk in open_part(part, SETTINGS, selection, remote=remote).read())
    return {
        "rows": rows,
        "asked_bytes": remote.asked_bytes,
        "requests": remote.requests,
        "beside_bytes": beside_bytes,
        "plan_bytes": sum(plan_bytes(plan, index) for index in range(shards)),
    }


def plan_bytes(body: bytes, index: int) -> int:
    """Return what a shard reads of its plan in S3, as `shards.kept_plan.read_shard_plan` does."""
    first = body[:HEAD_BYTES]
    if not first.startswith(MAGIC):
        return len(body)
    head = plan_head(first)
    assert head is not None, "the head of so few shards is within what is read first"
    start, size = head.frame(index)
    return len(first) + (size if start + size > len(first) else 0)


def main() -> int:
    """Print a table and write the raw numbers; leave with 1 if more is read than is promised."""
    asked = _arguments()
    machine, samples = describe(), []
    worst = 0.0
    for shape in SHAPES:
        objects = {
            f"in/{number:04d}.parquet": shape.file(number)
            for number in range(max(round(shape.files * asked.part), 1))
        }
        size = sum(map(len, objects.values()))
        footers = sum(pq.read_metadata(io.BytesIO(body)).serialized_size for body in objects.values())
        for shards in (None, *SHARDS):
            ways = [read(objects, shards, beside=beside) for beside in (False, True)]
            for beside, seen in zip((False, True), ways, strict=True):
                samples.append(
                    {
                        "shape": shape.name,
                        "bytes": size,
                        "footers": footers,
                        "shards": shards,
                        "beside": beside,
                    }
                    | seen
                )
            without, within = (sum(seen[name] for name in COUNTED) / size for seen in ways)
            # Of a part of the files, as many shards read more in plans: a promise is for the whole.
            promised = COUNTED if asked.part >= 1.0 else COUNTED[:2]
            worst = max(worst, sum(ways[1][name] for name in promised) / size)
            print(
                f"{shape.name}, {shards or 'not divided'}: {without:.3f}, beside the plan {within:.3f}, "
                f"of which the plan {ways[1]['plan_bytes'] / size:.3f}",
                flush=True,
            )
    save(asked.json, machine=machine, settings={"promised": PROMISED, "rounds": 1}, samples=samples)
    print(f"raw numbers: {asked.json}")
    return int(worst > PROMISED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", type=float, default=1.0, help="of the files of each dataset")
    parser.add_argument("--json", type=Path, default=RESULTS / "bytes_read.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
