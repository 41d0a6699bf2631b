"""Makes the names that a row has on AWS, and parses them back strictly: inference id, output path, upload key. Pure.

Nothing that the user wrote enters a path, a header or a label; only the run, the row's ordinal, its
generation (rises after a definitive failure) and its attempt (rises with every send).
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lower case
RUN_LENGTH = 10  # 50 bits: 1,000 runs a day for a century collide with probability below 1e-6
PREFIX = "fanout"
_NUMBER = "(0|[1-9][0-9]{0,17})"  # the one way that we write it, and never more than 64 bits
_ROW = re.compile(_NUMBER)
_OUTPUT_KEY = re.compile(rf"(?:.*/)?{PREFIX}/([^/]+)/([0-9a-f]{{2}})/{_NUMBER}\.{_NUMBER}", re.DOTALL)
_INFERENCE_ID = re.compile(rf"([{_ALPHABET}]{{{RUN_LENGTH}}})\.{_NUMBER}\.{_NUMBER}\.{_NUMBER}")


class Send(NamedTuple):
    """One send of one row, as its inference id spells it."""

    run_id: str
    row: int
    generation: int
    attempt: int


def new_run() -> str:
    """Return a random run id: 10 lower-case base32 characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(RUN_LENGTH))


def is_run(text: str) -> bool:
    """Whether `text` has the shape of a run id."""
    return len(text) == RUN_LENGTH and all(char in _ALPHABET for char in text)


def inference_id(run_id: str, row: int, *, generation: int, attempt: int) -> str:
    """Return `<run>.<row>.<generation>.<attempt>`, at most 64 characters (the API's limit)."""
    return f"{run_id}.{row}.{generation}.{attempt}"


def parse_inference_id(text: str) -> Send | None:
    """Return the parts of `inference_id`, None unless it is, byte for byte, one that fanout made."""
    found = _INFERENCE_ID.fullmatch(text)
    if found is None:
        return None
    run_id, row, generation, attempt = found.groups()
    return Send(run_id, int(row), int(generation), int(attempt))


def shard(row: int) -> str:
    """Return the two hex digits that spread neighbouring rows over 256 prefixes evenly."""
    return f"{row & 0xFF:02x}"


def output_extension(run_id: str, row: int) -> str:
    """Return the S3OutputPathExtension: all outputs of a run stand under `fanout/<run>/`."""
    return f"{PREFIX}/{run_id}/{shard(row)}"


def output_filename(row: int, generation: int) -> str:
    """Return the Filename, at most 32 characters and one dot; re-sends of a generation share it."""
    return f"{row}.{generation}"


def parse_output_key(key: str, run_id: str) -> tuple[int, int] | None:
    """Return (row, generation) of an object below `fanout/<run>/<hh>/`, None if it is not one of ours."""
    # One expression: a resume parses a listing of a million outputs while nothing else can run.
    found = _OUTPUT_KEY.fullmatch(key)
    if found is None or found[1] != run_id:
        return None
    row = int(found[3])
    return (row, int(found[4])) if found[2] == shard(row) else None


def input_key(prefix: str, run_id: str, row: int) -> str:
    """Return the key of an uploaded payload: the hash first, so that S3 can split the prefix."""
    head = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return f"{head}{shard(row)}/{run_id}/{row}"


def parse_input_key(key: str, prefix: str) -> tuple[str, int] | None:
    """Return (run, row) of an uploaded payload below `prefix`, None if its key is not one that `input_key` makes."""
    *_, run_id, name = ("", *key.split("/"))
    if not is_run(run_id) or not _ROW.fullmatch(name):
        return None
    row = int(name)
    return (run_id, row) if key == input_key(prefix, run_id, row) else None
