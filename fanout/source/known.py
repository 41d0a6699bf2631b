"""Holds what is known of a whole input, for a shard that reads a part of it and looks at nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa


class Known(NamedTuple):
    """What the first look at a whole input has found, by which each part of it is read as the whole would be.

    Attributes:
        path: Its first file that has rows; empty if none has.
        names: The columns of that file, or the fields of its first rows.
        passthrough_schema: Types that hold the passthrough columns of all files.
    """

    path: str
    names: tuple[str, ...]
    passthrough_schema: pa.Schema

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values; the schema as Arrow's IPC message, in base64."""
        message = self.passthrough_schema.serialize().to_pybytes()
        return {
            "path": self.path,
            "names": list(self.names),
            "passthrough": base64.b64encode(message).decode(),
        }


def known_of(content: Mapping[str, Any]) -> Known:
    """Return what `Known.as_dict` was made of.

    Raises:
        KeyError, TypeError, ValueError: It was not.
    """
    message = base64.b64decode(content["passthrough"], validate=True)
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    return Known(str(content["path"]), tuple(map(str, content["names"])), schema)
