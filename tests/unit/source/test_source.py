"""The source as a whole: numbering over files, limits, fingerprints, progress, cancellation, both event loops."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import anyio
import pytest
from support.remote import DictRemote
from support.settings import input_settings

from fanout.domain.records import Options, Rejected
from fanout.errors import InputError, UsageError
from fanout.source.selection import Selection
from fanout.source.source import open_source
from fanout.source.statistics import SourceStatistics

backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def folder(jsonl, tmp_path):
    """Two files of 1,500 rows each, the last of the first one broken."""
    lines = [b'{"n":%d}' % n for n in range(3_000)]
    lines[1_499] = b"broken"
    jsonl(lines[:1_500], "d/1.jsonl")
    jsonl(lines[1_500:], "d/2.jsonl")
    return tmp_path / "d"


@backends
def test_rows_are_numbered_densely_over_files_and_rejected_ones_count(folder, backend):
    source = open_source(input_settings((str(folder),)), Selection())

    async def collect():
        return [row async for chunk in source.chunks() for row in chunk]

    rows = anyio.run(collect, backend=backend)
    assert [row.row for row in rows] == list(range(3_000))
    assert [row.row for row in rows if isinstance(row, Rejected)] == [1_499]
    assert json.loads(rows[2_000].payload) == {"n": 2_000}
    assert rows[1_499].message.startswith(f"{folder}/1.jsonl:1500: ")
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert source.statistics() == SourceStatistics(3_000, 1, size, size, files_read=2, files=2)


@backends
def test_an_error_comes_after_the_rows_before_it(jsonl, backend):
    packed = gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(5)))
    source = open_source(input_settings((str(jsonl(packed[:-3])),)), Selection())
    rows = []

    async def collect():
        async for chunk in source.chunks():
            rows.extend(chunk)

    with pytest.raises(InputError, match="gzip data is truncated after byte"):
        anyio.run(collect, backend=backend)
    assert [row.payload for row in rows] == [b'{"n":%d}' % n for n in range(5)]


@pytest.fixture
def silent_pipe(tmp_path):
    """A named pipe that never ends, and the descriptor that writes to it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)  # read and write, so that opening does not wait
    yield pipe, descriptor
    os.close(descriptor)


@backends
def test_rows_of_a_pipe_come_as_they_are_written(silent_pipe, backend):
    pipe, descriptor = silent_pipe
    source = open_source(input_settings((str(pipe),)), Selection())

    async def main():
        chunks = source.chunks()
        for line in (b'{"a":1}\n{"b":', b"2}\n"):
            os.write(descriptor, line)
            yielded.append([row.payload for row in await anext(chunks)])
        await chunks.aclose()

    yielded = []
    anyio.run(main, backend=backend)
    assert yielded == [[b'{"a":1}'], [b'{"b":2}']]


def test_a_compressed_pipe_is_recognised_even_if_it_dribbles(silent_pipe, read):
    pipe, descriptor = silent_pipe
    os.write(descriptor, gzip.compress(b'{"a":1}\n'))
    assert read(pipe, limit=1, block_bytes=1).payloads == [b'{"a":1}']


@backends
def test_a_cancelled_read_of_a_silent_pipe_ends_and_the_loop_goes_on_meanwhile(silent_pipe, backend):
    source = open_source(input_settings((str(silent_pipe[0]),)), Selection())

    async def main():
        async with anyio.create_task_group() as group:

            async def read():
                async for _ in source.chunks():
                    pytest.fail("nothing was written")

            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert source.statistics().rows == 0


def test_a_source_left_early_can_be_read_again(folder):
    source = open_source(input_settings((str(folder),)), Selection())

    async def main():
        chunks = source.chunks()
        first = await anext(chunks)
        await chunks.aclose()
        await source.aclose()
        again = [chunk async for chunk in source.chunks()]
        assert again[0] == first
        assert sum(map(len, again)) == 3_000

    anyio.run(main)


@pytest.mark.parametrize(("limit", "rows"), [(0, 0), (1, 1), (1_500, 1_500), (1_501, 1_501), (9_999, 3_000)])
def test_the_limit_counts_every_row(folder, read, limit, rows):
    assert len(read(folder, limit=limit).rows) == rows


def test_a_limit_that_is_reached_reads_no_further(jsonl, read):
    path = jsonl(gzip.compress(b'{"a":1}\n' * 5)[:-1])
    assert len(read(path, limit=5).payloads) == 5


def test_total_rows(folder, parquet, tmp_path):
    assert open_source(input_settings((str(folder),)), Selection()).total_rows() is None
    parquet({"a": [1, 2, 3]}, "p/1.parquet")
    parquet({"a": [4]}, "p/2.parquet")
    path = (str(tmp_path / "p"),)
    assert open_source(input_settings(path), Selection()).total_rows() == 4
    assert open_source(input_settings(path, limit=2), Selection()).total_rows() == 2


def test_the_fingerprint_changes_with_any_file(folder):
    def fingerprint():
        return open_source(input_settings((str(folder),)), Selection()).fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    assert len(first) == 64
    seen = {first}
    os.utime(folder / "2.jsonl", ns=(1, 1))
    seen.add(fingerprint())
    with (folder / "1.jsonl").open("ab") as file:
        file.write(b"\n")
    seen.add(fingerprint())
    (folder / "2.jsonl").rename(folder / "3.jsonl")
    seen.add(fingerprint())
    assert len(seen) == 4


def test_progress_of_parquet_is_counted_in_bytes_of_the_file(parquet):
    path = parquet({"a": range(4_000)}, row_group_size=1_000)
    source = open_source(input_settings((str(path),)), Selection())
    size = path.stat().st_size
    chunks = source.read()
    next(chunks)
    assert source.statistics() == SourceStatistics(1_000, 0, 0, size, 0, 1)
    next(chunks)
    assert source.statistics().bytes_read == size // 4
    assert len([*chunks]) == 2
    assert source.statistics() == SourceStatistics(4_000, 0, size, size, 1, 1)


@pytest.mark.parametrize(("limit", "shares"), [(2_000, [0.5, 1.0]), (None, [0.0, 0.25, 0.5, 0.75])])
def test_the_share_that_was_read_is_of_what_is_to_be_read(parquet, limit, shares):
    path = parquet({"a": range(4_000)}, row_group_size=1_000)
    source = open_source(input_settings((str(path),), limit=limit), Selection())
    # A row group counts once it was read to its end, and that is known when the next one begins.
    assert [source.statistics().share for _ in source.read()] == shares
    assert source.statistics().share == 1.0


def test_without_sizes_and_limit_nobody_knows_the_share():
    assert SourceStatistics(10, 0, 80, None, 0, 1).share is None
    assert SourceStatistics(10, 0, 80, None, 0, 1, limit=40).share == 0.25


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_stdin(tmp_path, packed, piped):
    script = """
from fanout.source import InputSettings, Selection, open_source
settings = InputSettings(("-",), format="auto", compression="auto", line_cap_bytes=1 << 26, batch_bytes=1 << 23)
source = open_source(settings, Selection())
for chunk in source.read():
    for row in chunk:
        print(row.row, row.payload.decode())
print(source.statistics().bytes_total, source.total_rows())
"""  # its rows are known once it has been read
    text = b'{"a":1}\n\n{"a":2}'
    content = gzip.compress(text) if packed else text
    (tmp_path / "in").write_bytes(content)
    with (tmp_path / "in").open("rb") as file:
        how = {"input": content} if piped else {"stdin": file}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, **how)
    assert done.stdout.decode().splitlines() == ['0 {"a":1}', '1 {"a":2}', "None 2"], done.stderr


def test_a_contradiction_is_refused_before_any_file_is_looked_at():
    with pytest.raises(UsageError, match="are both set"):
        open_source(input_settings(("nowhere",)), Selection(payload_column="a", payload_fields=("b",)))


def test_rows_without_option_columns_share_their_options(folder, read):
    rows = [row for row in read(folder).rows if not isinstance(row, Rejected)]
    assert all(row.options is rows[0].options for row in rows)
    assert rows[0].options == Options(content_type="application/json")


@pytest.mark.parametrize("packed", [False, True])
def test_progress_of_json_lines_counts_bytes_when_their_rows_are_handed_on(jsonl, packed):
    content = b"".join(b'{"n":%04d}\n' % n for n in range(4_000))
    path = jsonl(gzip.compress(content) if packed else content)
    source = open_source(input_settings((str(path),)), Selection())
    shares = []
    for chunk in source.read():
        shares.append(source.statistics().share)
        assert len(chunk) == 1_000
    if packed:  # how far a block unfolds is known at its end
        assert shares == [0.0] * 4
    else:
        assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.01)
    assert source.statistics().share == 1.0


def test_a_look_into_further_files_in_s3_does_not_download_them():
    """A block was fetched of each of up to 256 files, and the next one begun, for a look at 64 KiB."""
    body = b'{"id":"a","text":"some words"}\n' * 200_000
    remote = DictRemote({("lake", f"d/{number}.jsonl"): body for number in range(3)})
    selection = Selection(id_column="id")
    open_source(input_settings(("s3://lake/d/",)), selection, remote=remote)
    asked = {key: sum(size for each, _, size in remote.reads if each == key) for key, _, _ in remote.reads}
    assert len(body) > 6_000_000
    assert asked["d/0.jsonl"] < 3_000_000
    assert max(asked["d/1.jsonl"], asked["d/2.jsonl"]) < 300_000
