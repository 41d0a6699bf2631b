"""Reads one part during a merge, batch by batch in row order, and knows the first row of the next batch.

It knows that row without holding the rest of the batch in memory. Owned by `merge`.
"""

from __future__ import annotations

from collections.abc import Generator

import pyarrow as pa
import pyarrow.parquet as pq

from fanout.files import readable
from fanout.output.large_page import COLUMN, LargeValues, StoredPage, stored_page
from fanout.output.parquet import batches, open_file, row_span
from fanout.output.parts import Part
from fanout.output.schema import current

_NONE = pa.chunked_array([], type=pa.int64())


class Cursor:
    """A position in a part; the file is opened by the first `load` and closed by the last.

    Args:
        part: What is read.
        large: Takes the large responses, which stay where they are; they are null in what `load` returns.

    Attributes:
        next_row: The first row that is not loaded yet; None at the end.
    """

    def __init__(self, part: Part, large: LargeValues) -> None:
        self.next_row: int | None = part.min_row
        self._path = part.path
        self._shift = part.shift
        self._large = large
        self._page: StoredPage | None = None
        self._file: pq.ParquetFile | None = None
        self._group = 0
        self._rows = _NONE
        self._loaded = 0
        self._batches: Generator[pa.RecordBatch] | None = None

    def load(self) -> pa.RecordBatch:
        """Return the next rows, about 256 KiB of them; keeps no reference to them.

        Raises:
            StorageError: The part is damaged.
        """
        with readable(self._path):
            file = self._file = self._file or open_file(self._path)
            if self._batches is None:
                # The row numbers alone are read ahead: looking must not cost a large response in memory.
                rows = file.read_row_group(self._group, columns=["row"], use_threads=False)
                self._rows, self._loaded = rows.column("row"), 0
                self._page = stored_page(file, self._path, self._group)
                left_out = None if self._page is None else COLUMN
                self._batches = batches(file, self._group, without=left_out)
            batch = next(self._batches, None)
            if batch is None:
                raise pa.ArrowInvalid("it has fewer rows than its footer says")
            if self._page is not None:
                self._large[batch.column("row")[0].as_py() + self._before] = self._page
                batch = _with_null(batch, file.schema_arrow)
            self._loaded += batch.num_rows
            self._advance(file)
            batch = current(batch)
            return batch if self._shift is None else self._shift.apply(batch)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._batches is not None:
            self._batches.close()
        if self._file is not None:
            self._file.close()
        self._batches = self._file = None  # and its footer, a third of a megabyte
        self._rows = _NONE

    @property
    def _before(self) -> int:
        return 0 if self._shift is None else self._shift.rows_before

    def _advance(self, file: pq.ParquetFile) -> None:
        if self._loaded < len(self._rows):
            self.next_row = self._rows[self._loaded].as_py() + self._before
            return
        # pyarrow's reader holds its last batch and pages for as long as it lives.
        self._batches, self._group = None, self._group + 1
        if self._group < file.num_row_groups:
            self.next_row = row_span(file, self._group)[0] + self._before
        else:
            self.next_row = None
            self.close()


def _with_null(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows with a null as their response, which was not read."""
    place = schema.get_field_index(COLUMN)
    columns = [
        *batch.columns[:place],
        pa.nulls(batch.num_rows, schema.field(place).type),
        *batch.columns[place:],
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
