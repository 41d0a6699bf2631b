"""Damaged Parquet files: an error with the file and the row that was reached, never a crash or a traceback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encrypting
import pytest
from support.settings import input_settings

from fanout.errors import InputError
from fanout.source.selection import Selection
from fanout.source.source import open_source

ROWS = 3_000


@pytest.fixture
def sound(parquet):
    """Three row groups of 1,000 rows, with page checksums."""
    return parquet(
        {"p": [f"value {n}" for n in range(ROWS)], "n": range(ROWS)},
        row_group_size=1_000,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty, not Parquet; write it again"),
        (b"PAR1", "the Parquet footer is damaged"),
        (
            b"some text that is long enough",
            "not Parquet, or truncated: the footer is missing; write or copy it again",
        ),
    ],
)
def test_not_parquet(jsonl, content, message):
    path = jsonl(content, "in.parquet")
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), Selection())
    assert str(caught.value).startswith(f"{path}: {message}")


def test_truncated(sound):
    sound.write_bytes(sound.read_bytes()[:-100])
    with pytest.raises(InputError, match="not Parquet, or truncated: the footer is missing"):
        open_source(input_settings((str(sound),)), Selection())


def test_broken_footer(sound):
    content = bytearray(sound.read_bytes())
    content[-200:-100] = bytes(100)
    sound.write_bytes(content)
    with pytest.raises(InputError) as caught:
        for _ in open_source(input_settings((str(sound),)), Selection()).read():
            pass
    assert str(caught.value).startswith(f"{sound}: ")


def test_a_flipped_bit_is_found_after_the_row_groups_before_it(read, sound):
    content = bytearray(sound.read_bytes())
    content[content.index(b"value 1500")] ^= 1
    sound.write_bytes(content)
    rows, error = read(sound, Selection(payload_column="p"))
    assert [row.payload for row in rows] == [b"value %d" % n for n in range(1_000)]
    assert error.startswith(f"{sound}: row group 1, after row 1000: ")
    assert "a page does not match its CRC checksum. It changed on disk" in error


def test_metadata_that_makes_pyarrows_bindings_abort_is_an_error(read, parquet):
    """Pins that `GroupReader.check` looks first: in a child process, as an abort would end the tests."""
    path = parquet({"a": ["x", "y"], "l": [[1], [2, 3]]}, compression="none")
    script = """
import random, sys
from pathlib import Path
from fanout.errors import InputError
from fanout.source import InputSettings, Selection, open_source
path = Path(sys.argv[1])
sound = path.read_bytes()
footer = len(sound) - 8 - int.from_bytes(sound[-8:-4], "little")
random.seed(1)
settings = InputSettings((str(path),), format="auto", compression="auto", line_cap_bytes=1 << 26, batch_bytes=1 << 23)
for _ in range(400):
    damaged = bytearray(sound)
    damaged[random.randrange(footer, len(sound))] ^= 1 << random.randrange(8)
    path.write_bytes(damaged)
    try:
        for chunk in open_source(settings, Selection(payload_fields=("a", "l"))).read():
            pass
    except InputError as error:
        assert str(error).startswith(str(path)), error
print("alive")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_no_pyarrow_error_escapes_for_flips_in_pages(sound, read):
    content = sound.read_bytes()
    for position in range(4, len(content) // 3, 997):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        sound.write_bytes(damaged)
        rows, error = read(sound, Selection(payload_column="p", keep=("n",)))
        # Unused bytes of a page header may flip unnoticed; values may not.
        assert error is not None or [row.payload for row in rows] == [b"value %d" % n for n in range(ROWS)]
        if error is not None:
            assert error.startswith(f"{sound}: row group ")


def test_a_footer_that_promises_other_rows_than_there_are(read, parquet):
    path = parquet({"p": ["x"] * 50})
    content = path.read_bytes()
    number, other = b"\x16\x64\x19", b"\x16\x66\x19"  # thrift: rows of the file (zigzag), then the row groups
    path.write_bytes(content.replace(number, other, 1))
    assert pq.read_metadata(path).num_rows == 51
    rows, error = read(path, Selection(payload_column="p"))
    assert len(rows) == 50
    assert error == f"{path}: has 50 rows where its footer says 51; write the file again"


def swap(path):
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def touch(path):
    os.utime(path, ns=(1, 1))


def grow(path):
    with path.open("ab") as file:
        file.write(b"\n")


@pytest.mark.parametrize("change", [swap, touch, grow, os.unlink])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_file_changed_while_it_is_read_ends_the_run(sound, jsonl, change, kind):
    path = sound if kind == "parquet" else jsonl([b'{"p":"%d"}' % n for n in range(ROWS)])
    source = open_source(input_settings((str(path),)), Selection(payload_column="p"))
    chunks = source.read()
    assert len(next(chunks)) == 1_000
    change(path)
    what = "removed" if change is os.unlink else "changed"
    with pytest.raises(InputError) as caught:
        for _ in chunks:
            pass
    assert str(caught.value) == (
        f"{path}: {what} while it was being read; rows read so far may be of either version: "
        f"put the file back or start a new run"
    )


def test_ten_thousand_row_groups_are_many_rows_per_chunk(parquet, tmp_path):
    path = tmp_path / "groups.parquet"
    batch = pa.record_batch({"p": ["x", "y"]})
    with pq.ParquetWriter(path, batch.schema) as writer:
        for _ in range(10_000):
            writer.write_batch(batch, row_group_size=2)
    source = open_source(input_settings((str(path),)), Selection(payload_column="p"))
    assert source.total_rows() == 20_000
    assert [len(chunk) for chunk in source.read()] == [1_000] * 20


def expand(kind: str, path) -> None:
    if kind == "dictionary":  # 2 GB of one string, behind short ones that make batches grow
        both = pa.array(["", "x" * 1_000_000])
        indices = pa.array([0] * 50_000 + [1] * 2_100, pa.int32())
        table = pa.table({"p": pa.DictionaryArray.from_arrays(indices, both)})
    elif kind == "nested dictionary":
        one = pa.DictionaryArray.from_arrays(pa.array([0] * 700, pa.int32()), pa.array(["x" * 1_000_000]))
        table = pa.table({"p": pa.ListArray.from_arrays(list(range(0, 701, 10)), one)})
    elif kind == "nulls":
        table = pa.table({"p": pa.nulls(20_000_000, pa.string())})
    else:  # one row, whose list of 20 million zeros would be a gigabyte of Python objects
        zeros = pa.Array.from_buffers(pa.int8(), 20_000_000, [None, pa.py_buffer(bytes(20_000_000))])
        table = pa.table({"p": pa.ListArray.from_arrays([0, 20_000_000], zeros)})
    pq.write_table(table, path, compression="zstd", store_schema=False, write_statistics=False,
                   row_group_size=1 << 40)  # fmt: skip


READER = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1_500 << 20, 1_500 << 20))
import pyarrow as pa
from fanout.source import InputSettings, Selection, open_source
column, rows_wanted = (sys.argv[2] or None), int(sys.argv[3])
selection = Selection(payload_column=column) if column else Selection()
def peak_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
bounds = {"line_cap_bytes": 1 << 26, "batch_bytes": 1 << 23}
settings = InputSettings((sys.argv[1],), format="auto", compression="auto", **bounds)
source = open_source(settings, selection)
before = peak_kb()
rows = size = largest = 0
codes = set()
for chunk in source.read():
    rows += len(chunk)
    bytes_ = sum(len(getattr(row, "payload", b"")) for row in chunk)
    size += bytes_
    largest = max(largest, bytes_)
    codes |= {getattr(row, "code", "") for row in chunk}
    if rows >= rows_wanted:
        break
print(json.dumps({"rows": rows, "bytes": size, "largest": largest, "codes": sorted(codes),
                  "pool_mb": pa.default_memory_pool().max_memory() >> 20, "grown_mb": (peak_kb() - before) >> 10}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits address space")
@pytest.mark.parametrize(
    ("kind", "column", "rows", "size", "codes"),
    [
        pytest.param("dictionary", "p", 52_100, 2_100_000_000, [""], marks=pytest.mark.campaign),
        pytest.param("nested dictionary", "", 70, 700 * 1_000_003 + 70 * 7, [""], marks=pytest.mark.campaign),
        ("nulls", "p", 20_000, 0, ["NullPayload"]),
        ("long list", "", 1, 0, ["RowTooLarge"]),
    ],
)
def test_a_small_file_that_unfolds_to_gigabytes_is_read_in_bounded_memory(
    tmp_path, kind, column, rows, size, codes
):
    path = tmp_path / "bomb.parquet"
    expand(kind, path)
    assert path.stat().st_size < 200_000
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path), column, str(rows)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["rows"], seen["bytes"], seen["codes"]) == (rows, size, codes)
    assert seen["largest"] <= 11_000_000
    assert seen["pool_mb"] < 100
    assert seen["grown_mb"] < 250


ENCRYPTED = "is encrypted, and keys cannot be named here: write it again without encryption"


@pytest.fixture
def encrypted(tmp_path):
    """Return a function that writes a file whose column `a` is encrypted, and perhaps its footer."""

    def write(*, plaintext_footer):
        path = tmp_path / "in.parquet"
        table = pa.table({"a": ["x"], "b": [1]})
        with pq.ParquetWriter(
            path, table.schema, encryption_properties=encryption(plaintext_footer)
        ) as writer:
            writer.write_table(table)
        return path

    return write


def test_an_encrypted_file_is_not_called_damaged(encrypted):
    path = encrypted(plaintext_footer=False)
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), Selection())
    assert str(caught.value) == f"{path}: {ENCRYPTED}"


def test_an_encrypted_column_is_not_called_damaged_and_others_are_read(read, encrypted):
    path = encrypted(plaintext_footer=True)
    said = f"{path}: row group 0, after row 0: {ENCRYPTED}"
    assert read(path, Selection(payload_column="a")) == ([], said)
    assert read(path, Selection(payload_fields=("b",))).payloads == [b'{"b":1}']


class Keys(encrypting.KmsClient):
    """Wraps no key."""

    def __init__(self):
        super().__init__()

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, key, _):
        return base64.b64decode(key)


def encryption(plaintext_footer):
    factory = encrypting.CryptoFactory(lambda _: Keys())
    how = encrypting.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["a"]}, plaintext_footer=plaintext_footer
    )
    return factory.file_encryption_properties(encrypting.KmsConnectionConfig(), how)


@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowNotImplementedError("Support for codec 'lzo' not built"),
        OSError("Metadata contains Thrift LogicalType that is not recognized"),
    ],
)
def test_what_the_reader_does_not_know_is_not_called_damaged(parquet, monkeypatch, error):
    path = parquet({"a": [1]})

    def refuse(*_: object, **__: object):
        raise error

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(InputError) as caught:
        open_source(input_settings((str(path),)), Selection())
    assert str(caught.value) == (
        f"{path}: holds what this reader (pyarrow {pa.__version__}) does not know ({error}): "
        "update pyarrow, or write the file again with another type or codec"
    )
