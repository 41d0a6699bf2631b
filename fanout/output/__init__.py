"""Writes the output: verified part files while the run goes on, and one file (or dataset) when it ends.

Synchronous: the pipeline calls it from a worker thread. The result depends only on the arguments and on the files.
"""

from __future__ import annotations

from fanout.files import ensure_space
from fanout.output.finish import OutputFile, finish
from fanout.output.json_types import Kind
from fanout.output.parts import Part, read_parts, write_part
from fanout.output.row_order import CorruptParts

__all__ = ["CorruptParts", "Kind", "OutputFile", "Part", "ensure_space", "finish", "read_parts", "write_part"]
