"""Tells the format and the compression of a file from its name and its first bytes."""

from __future__ import annotations

from dataclasses import replace

from fanout.errors import InputError
from fanout.source.files import InputFile, read_head
from fanout.source.settings import Compression, Format, InputSettings

HEAD_BYTES = 64
MAGIC_BYTES = 4
_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
PARQUET = b"PAR1"
UNPACK = {"gzip": "gunzip -c FILE > UNPACKED", "zstd": "zstd -dc FILE > UNPACKED"}
_GZIP = b"\x1f\x8b"
_ZSTD = (
    b"\x28\xb5\x2f\xfd",
    *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)),
)  # RFC 8878: frame, skippable
_BOMS = (b"\xff\xfe", b"\xfe\xff")


def format_of_name(name: str) -> Format | None:
    """Return the format that the name's suffix says, looking behind a suffix of compression; None if none."""
    lower = name.lower()
    for suffix in _COMPRESSIONS:
        lower = lower.removesuffix(suffix)
    return next((kind for suffix, kind in _FORMATS.items() if lower.endswith(suffix)), None)


def compression_of_name(name: str) -> Compression:
    """Return the compression that the name's suffix says."""
    lower = name.lower()
    return next((kind for suffix, kind in _COMPRESSIONS.items() if lower.endswith(suffix)), "none")


def compression_of_bytes(head: bytes) -> Compression:
    """Return the compression that the first bytes say; no JSON text begins with any of these."""
    if head.startswith(_GZIP):
        return "gzip"
    return "zstd" if head.startswith(_ZSTD) else "none"


def identify(file: InputFile, *, settings: InputSettings) -> InputFile:
    """Return `file` with its format and compression, as far as they can be known without consuming it.

    Raises:
        InputError: It cannot be opened or read, its format cannot be told, or its name and its bytes disagree.
    """
    if file.streamed:
        # Its bytes come but once: the compression is found out when reading.
        if settings.format == "parquet" or format_of_name(file.path) == "parquet":
            raise InputError(f"{file.path}: Parquet cannot be read from a pipe; save it as a file first")
        return file
    head = read_head(file, HEAD_BYTES)
    kind = _format(file.path, head, settings=settings)
    if kind == "parquet":  # which compresses its pages itself, whatever the name says: `df.parquet.gzip`
        around = compression_of_bytes(head)
        if around != "none":
            raise InputError(f"{file.path}: is {around} around a file; unpack it first: {UNPACK[around]}")
        return replace(file, format=kind, compression="none")
    return replace(file, format=kind, compression=find_compression(file.path, head, settings=settings))


def find_compression(path: str, head: bytes, *, settings: InputSettings) -> Compression:
    """Return the compression of a file that begins with `head`.

    Raises:
        InputError: The name's suffix says one thing and the bytes another.
    """
    if not head:
        return "none"  # no bytes, no rows, however they would be packed
    if settings.compression != "auto":
        return settings.compression
    named, found = compression_of_name(path), compression_of_bytes(head)
    if named not in {"none", found}:
        raise InputError(
            f"{path}: the name says {named}, but the file does not begin as {named} does (damaged or not compressed); "
            f"set the compression if the name is wrong"
        )
    return found


def _format(path: str, head: bytes, *, settings: InputSettings) -> Format:
    if settings.format != "auto":
        return settings.format
    named = format_of_name(path)
    if named is not None:
        return named
    if head.startswith(PARQUET):
        return "parquet"
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if compression_of_bytes(head) != "none" or first in {b"{", b""}:
        return "jsonl"
    if first == b"[":
        raise InputError(f"{path}: looks like one JSON array; make it JSON Lines with: jq -c '.[]'")
    raise InputError(
        f"{path}: neither JSON Lines nor Parquet by its name or first bytes. "
        'Write it as one of them, or say which it is: input.format = "jsonl" or "parquet" in the TOML file (-c)'
    )


def check_text(path: str, head: bytes) -> None:
    """Refuse what is no JSON Lines in UTF-8 from its first plain bytes on: each line would become a rejected row.

    UTF-16 and UTF-32 are told by a byte order mark or by where the zero bytes stand (RFC 4627, section 3).

    Raises:
        InputError: It is Parquet, UTF-16 or UTF-32, or (still) compressed.
    """
    packed = compression_of_bytes(head)
    if packed != "none":
        raise InputError(
            f"{path}: what is read is still {packed} data. If it was compressed twice, unpack it once: "
            f"{UNPACK[packed]}. If input.compression is set, leave that out"
        )
    if head.startswith(PARQUET):
        raise InputError(f"{path}: is Parquet, not JSON Lines; save it as a file whose name ends in .parquet")
    zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
    wide = {"000x": "UTF-32", "x000": "UTF-32", "0x0x": "UTF-16", "x0x0": "UTF-16"}.get(zeros)
    if head.startswith(_BOMS) or head.startswith(b"\x00\x00\xfe\xff"):
        wide = "UTF-32" if b"\x00\x00" in head[:4] else "UTF-16"
    if wide is not None:
        raise InputError(f"{path}: is {wide}, not UTF-8; convert it with: iconv -f {wide} -t UTF-8")
