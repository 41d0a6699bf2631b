"""Decodes a Parquet row group in batches, each near a number of bytes however far the file unfolds.

A run-length or dictionary page of a few bytes may stand for gigabytes, so the footer's sizes say nothing: rows per
batch come from the number of values, the widest dictionary entry, and the last batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types as pat

from fanout.source.files import InputFile
from fanout.source.parquet.footers import opened
from fanout.source.remote import Check, Ranges

_MAX_ROWS = 8_192
# CPython's object and its place in a list, 49 bytes + 8 for an empty string.
_OBJECT_BYTES = 56
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_DICTIONARY = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY"})


class GroupReader:
    """Reads the row groups of one open file in batches of about `batch_bytes` decoded bytes."""

    def __init__(
        self,
        parquet: pq.ParquetFile,
        file: InputFile,
        *,
        columns: Sequence[str],
        batch_bytes: int,
        check: Check = lambda: None,
        lent: Ranges | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            parquet: The open file.
            file: The same.
            columns: Paths of what is read of it.
            batch_bytes: What a batch unfolds to, aimed at.
            check: Called while S3 is waited for; may raise to stop.
            lent: Where `parquet` looks for ranges of an object before it asks for them: what a look at the
                dictionaries has read.
        """
        self._parquet = parquet
        self._lent: Ranges = {} if lent is None else lent
        self._file = file
        self._columns = list(columns)
        self._budget = batch_bytes
        self._check = check
        schema = parquet.schema
        wanted = set(columns)
        self._leaves: dict[int, int | None] = {}  # leaf -> bytes of a value, None if they vary
        self._varying: list[str] = []
        for index in range(len(schema)):
            leaf = schema.column(index)
            if not any(path in wanted for path in accumulate(leaf.path.split("."), "{}.{}".format)):
                continue
            varies = leaf.physical_type == "BYTE_ARRAY"
            self._leaves[index] = None if varies else _WIDTHS.get(leaf.physical_type, leaf.length)
            if varies:
                self._varying.append(leaf.path)
        self._closing = ExitStack()
        self._by_dictionary: pq.ParquetFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def check(self, group: int) -> None:
        """Let pyarrow look at the group's metadata before we do.

        Its readers turn damaged metadata into an exception, while its Python bindings abort the process
        (`terminate called after throwing ... ParquetException`). No row asked for, no page read; a test pins it.

        Raises:
            ArrowException, OSError: pyarrow's, when the metadata is damaged.
        """
        reader = self._parquet.reader  # its own method refuses a batch of no rows
        next(reader.iter_batches(0, [group], column_indices=list(self._leaves), use_threads=False), None)

    def row_bytes(self, group: int) -> int:
        """Return how many bytes of values a row of the group has, at least, on average: 4 a float32."""
        return self._estimate(group, widest=0, object_bytes=0)

    def rows(self, group: int) -> int:
        """Return how many rows the footer says that the group has."""
        return int(self._parquet.metadata.row_group(group).num_rows)

    def batches(self, group: int) -> Iterator[pa.RecordBatch]:
        """Yield the group's rows in order.

        Raises:
            ArrowException, OSError: pyarrow's, when pages are damaged.
        """
        widest = self._widest(group) if self._may_unfold(group) else 0
        ceiling = rows = max(
            1,
            min(_MAX_ROWS, self._budget // self._estimate(group, widest=widest, object_bytes=_OBJECT_BYTES)),
        )
        parquet = self._parquet
        for batch in parquet.iter_batches(rows, row_groups=[group], columns=self._columns, use_threads=False):
            yield batch
            measured = max(1, batch.nbytes // max(1, batch.num_rows))
            rows = max(1, min(ceiling, 2 * rows, self._budget // measured))
            # Not documented, but read anew before every batch since pyarrow 3; a test pins it.
            parquet.reader.set_batch_size(rows)

    def _estimate(self, group: int, *, widest: int, object_bytes: int) -> int:
        chunks = self._parquet.metadata.row_group(group)
        values_bytes = 0
        for index, width in self._leaves.items():
            chunk = chunks.column(index)
            if width is None:
                values_bytes += max(chunk.total_uncompressed_size, widest * chunk.num_values)
            else:
                values_bytes += width * chunk.num_values
            values_bytes += object_bytes * chunk.num_values
        return max(1, int(values_bytes / max(1, chunks.num_rows)))

    def _may_unfold(self, group: int) -> bool:
        """Whether a dictionary entry as large as the whole column could, repeated, exceed a batch."""
        chunks = self._parquet.metadata.row_group(group)
        for index, width in self._leaves.items():
            if width is None:
                chunk = chunks.column(index)
                if _DICTIONARY & set(chunk.encodings) and (
                    chunk.total_uncompressed_size * chunk.num_values > self._budget
                ):
                    return True
        return False

    def _widest(self, group: int) -> int:
        """Return the length of the group's longest dictionary entry, in bytes, by reading one row as a dictionary."""
        if self._by_dictionary is None:
            self._by_dictionary = self._closing.enter_context(
                opened(
                    self._file,
                    dictionaries=self._varying,
                    check=self._check,
                    metadata=self._parquet.metadata,
                    lends=self._lent,
                )
            )
        self._lent.clear()  # of a group before: it has been read
        first = self._by_dictionary.iter_batches(
            1, row_groups=[group], columns=self._columns, use_threads=False
        )
        return max(
            (_widest_entry(column) for batch in first_of(first) for column in batch.columns), default=0
        )


def first_of(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the first batch alone, if there is one."""
    for batch in batches:
        yield batch
        return


def _widest_entry(array: pa.Array) -> int:
    if isinstance(array, pa.ExtensionArray):
        return _widest_entry(array.storage)
    kind = array.type
    if pat.is_dictionary(kind):
        lengths = pc.max(pc.binary_length(array.dictionary)).as_py()
        return int(lengths or 0)
    if pat.is_struct(kind):
        return max((_widest_entry(array.field(index)) for index in range(kind.num_fields)), default=0)
    if pat.is_map(kind):
        return max(_widest_entry(array.keys), _widest_entry(array.items))
    if kind.num_fields == 1:
        return _widest_entry(array.values)
    return 0
