"""Tells whether a line is a JSON object, for lines that go to the model as they are and are not read for their values.

simdjson makes no Python objects: 1.1 to 20 times as fast as orjson on lines of 1 to 100 KB, 20 us beside 50-70 for
100 KB of text, all of it with the interpreter held, while the event loop waits for it. What it accepts orjson accepts
(a property test sees to it); of the rest orjson decides, and says where it goes wrong.
"""

from __future__ import annotations

import orjson

try:
    from simdjson import Parser
except (ImportError, RuntimeError):  # no wheel for this interpreter, see pyproject; or one that is broken
    Parser = None  # type: ignore[assignment, misc]

LONGEST = 256 * 1024
"""Bytes. The parser keeps 14 bytes for each byte of the longest line that it has seen; longer ones go via S3 anyway."""


class Validity:
    """Tells objects from other lines. Used by one thread at a time."""

    def __init__(self) -> None:
        self._parser = Parser() if Parser is not None else None

    def is_object(self, line: bytes) -> bool:
        """Whether the JSON value of `line` is an object.

        Raises:
            orjson.JSONDecodeError: It is no JSON value in valid UTF-8.
        """
        # A byte order mark, which simdjson would skip and orjson refuses, does not begin with a brace.
        if self._parser is not None and line.startswith(b"{") and len(line) <= LONGEST:
            try:
                self._parser.parse(line)
            except (ValueError, RuntimeError):  # RuntimeError: a number beyond 64 bits, or too many levels
                pass
            else:
                return True
        return type(orjson.loads(line)) is dict
