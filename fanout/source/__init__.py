"""Reads the input, Parquet or JSON Lines, local or in S3, as chunks of numbered `Record`s and `Rejected`s.

The caller of `open_source` closes it. A bad row is a `Rejected`, a bad file an `InputError`.
"""

from fanout.source.chunks import Chunk
from fanout.source.files import InputFile
from fanout.source.selection import JsonValue, Selection
from fanout.source.settings import InputSettings
from fanout.source.source import Source, open_source
from fanout.source.statistics import SourceStatistics

__all__ = [
    "Chunk",
    "InputFile",
    "InputSettings",
    "JsonValue",
    "Selection",
    "Source",
    "SourceStatistics",
    "open_source",
]
