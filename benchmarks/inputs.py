"""Writes the input of a benchmark: JSON Lines in which every line is one payload of exactly the size asked for."""

from __future__ import annotations

import random
from pathlib import Path


def write_rows(path: Path, *, rows: int, payload_bytes: int) -> Path:
    """Write `rows` different payloads, a line each, the same for the same arguments; return `path`."""
    rng = random.Random(payload_bytes)
    filler = rng.randbytes(payload_bytes).hex()
    with path.open("w", encoding="ascii") as file:
        for row in range(rows):
            head = f'{{"row": {row}, "text": "'
            length = payload_bytes - len(head) - 2
            # A window into one long text, from another place every time: cheap to make, and no two are equal.
            start = rng.randrange(len(filler) - max(length, 0))
            file.write(f'{head}{filler[start : start + length]}"}}\n')
    return path
