"""What the tests of the source share: write a file, read a source to its end or to its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.settings import input_settings

from fanout.domain.records import Record, Rejected
from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source


class Outcome(NamedTuple):
    """All rows that came, and the message of the error that ended them, if one did."""

    rows: list[Record | Rejected]
    error: str | None

    @property
    def payloads(self) -> list[bytes]:
        assert self.error is None, self.error
        assert all(isinstance(row, Record) for row in self.rows), self.rows
        return [row.payload for row in self.rows if isinstance(row, Record)]

    @property
    def rejected(self) -> Rejected:
        """The only row, which is rejected."""
        assert self.error is None, self.error
        (row,) = self.rows
        assert isinstance(row, Rejected)
        return row


Read = Callable[..., Outcome]
Write = Callable[..., Path]


@pytest.fixture
def read() -> Read:
    def read_all(path: object, selection: Selection | None = None, **settings: object) -> Outcome:
        paths = tuple(str(one) for one in path) if isinstance(path, tuple) else (str(path),)
        rows: list[Record | Rejected] = []
        source = open_source(input_settings(paths, **settings), selection or Selection())
        try:
            for chunk in source.read():
                rows += chunk
        except InputError as error:
            return Outcome(rows, str(error))
        assert [row.row for row in rows] == list(range(len(rows)))
        return Outcome(rows, None)

    return read_all


@pytest.fixture
def jsonl(tmp_path: Path) -> Write:
    def write(content: bytes | Sequence[bytes], name: str = "in.jsonl") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content if isinstance(content, bytes) else b"".join(line + b"\n" for line in content)
        )
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    def write(columns: dict[str, object] | pa.Table, name: str = "in.parquet", **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        try:
            pq.write_table(table, path, **options)
        except pa.ArrowNotImplementedError as error:
            if "_view" in str(error):
                pytest.skip("pyarrow 18 reads views but does not write them")
            raise
        return path

    return write
