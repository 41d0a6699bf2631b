"""Paths: which files they mean, in which order, and the errors that name the next step."""

from __future__ import annotations

import gzip
import os
import threading

import pytest
from support.remote import DictRemote, FolderRemote
from support.settings import input_settings

from fanout.errors import InputError, UsageError
from fanout.source.discovery import take_inventory
from fanout.source.selection import Selection
from fanout.source.source import open_source

LINE = b'{"a":1}\n'


def names(root, *paths, remote=None, **settings):
    source = open_source(
        input_settings(tuple(str(path) for path in paths), **settings), Selection(), remote=remote
    )
    return [file.path.removeprefix(f"{root}/") for file in source.inputs]


def message(*paths, remote=None, **settings):
    with pytest.raises(InputError) as caught:
        open_source(
            input_settings(tuple(str(path) for path in paths), **settings), Selection(), remote=remote
        )
    assert isinstance(caught.value, UsageError)
    return str(caught.value)


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.jsonl", "a/z.ndjson", "a/b/c.JSONL", "a-b.jsonl", ".hidden.jsonl", "_SUCCESS", "_tmp/x.jsonl",
        ".git/x.jsonl", "notes.txt", "a/.crc.jsonl",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LINE)
    return tmp_path


def test_a_directory_is_read_recursively_in_order_by_suffix(tree):
    assert names(tree, tree) == ["a/b/c.JSONL", "a/z.ndjson", "a-b.jsonl", "b.jsonl"]


def test_paths_keep_the_order_in_which_they_are_given(tree):
    assert names(tree, tree / "b.jsonl", tree / "a") == ["b.jsonl", "a/b/c.JSONL", "a/z.ndjson"]


def test_a_glob_takes_any_suffix_but_nothing_hidden(tree):
    assert names(tree, tree / "*.jsonl") == ["a-b.jsonl", "b.jsonl"]
    assert names(tree, tree / "not*") == ["notes.txt"]
    assert names(tree, tree / "**" / "*.ndjson") == ["a/z.ndjson"]
    assert names(tree, tree / "**" / "?.jsonl") == ["b.jsonl"]
    assert names(tree, tree / "_tmp" / "*") == ["_tmp/x.jsonl"]
    assert names(tree, tree / "a*") == ["a/b/c.JSONL", "a/z.ndjson", "a-b.jsonl"]


def test_a_name_with_glob_characters_is_a_name_if_it_exists(tree):
    (tree / "x[1].jsonl").write_bytes(LINE)
    assert names(tree, tree / "x[1].jsonl") == ["x[1].jsonl"]


def test_links_to_files_are_followed(tree):
    (tree / "link").mkdir()
    (tree / "link" / "l.jsonl").symlink_to(tree / "b.jsonl")
    assert names(tree, tree / "link") == ["link/l.jsonl"]


def test_the_same_file_twice_would_be_sent_twice(tree):
    said = message(tree, tree / "a" / ".." / "b.jsonl")
    assert said == f"{tree}/a/../b.jsonl: named twice, so its rows would be sent twice; name it once"
    assert message("-", "-").startswith("-: named twice")


def test_what_is_not_there(tree, tmp_path):
    assert message(tree / "nothing.jsonl") == f"{tree}/nothing.jsonl: no such file"
    assert message(tree / "*.parquet") == f"{tree}/*.parquet: no file matches"
    assert message() == "no input: name a file, a directory, a glob, an s3:// uri, or - for stdin"
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "empty") == (
        f"{tmp_path}/empty: no JSON Lines or Parquet file in this directory. "
        f"To read files of another suffix, name them by a glob, such as '{tmp_path}/empty/*.txt'"
    )
    assert "no parquet file in this directory" in message(tree, format="parquet")


def test_what_may_not_be_read(tree, monkeypatch):
    def refuse(path, *_: object):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert message(tree) == f"{tree}: permission denied: make it readable for this user"
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.is_dir", refuse)
        assert (
            message(tree / "b.jsonl") == f"{tree}/b.jsonl: permission denied: make it readable for this user"
        )
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", lambda path, *_, **__: refuse(path))
        assert (
            message(tree / "b.jsonl") == f"{tree}/b.jsonl: permission denied: make it readable for this user"
        )


def test_one_run_reads_one_format(tree, parquet):
    path = parquet({"a": [1]}, "b.parquet")
    said = message(tree)
    assert "is JSON Lines and " in said
    assert said.endswith(
        "one run reads one format. Name the files by a glob, or set input.format in the TOML file (-c)"
    )
    assert names(tree, tree, format="parquet") == ["b.parquet"]
    assert names(tree, path) == ["b.parquet"]


def test_a_format_without_suffix_is_told_by_its_bytes(jsonl, parquet, tmp_path):
    parquet({"a": [1]}, "first")
    jsonl(b'\xef\xbb\xbf  {"a":1}', "second")
    jsonl(b"", "third")
    assert open_source(input_settings((str(tmp_path / "first"),)), Selection()).inputs[0].format == "parquet"
    assert open_source(input_settings((str(tmp_path / "second"),)), Selection()).inputs[0].format == "jsonl"
    assert open_source(input_settings((str(tmp_path / "third"),)), Selection()).inputs[0].format == "jsonl"
    array = jsonl(b'[{"a":1}]', "array.json")
    assert message(array) == f"{array}: looks like one JSON array; make it JSON Lines with: jq -c '.[]'"
    table = jsonl(b"a,b\n1,2\n", "table.csv")
    assert message(table) == (
        f"{table}: neither JSON Lines nor Parquet by its name or first bytes. "
        'Write it as one of them, or say which it is: input.format = "jsonl" or "parquet" in the TOML file (-c)'
    )
    assert names(tmp_path, table, format="jsonl") == ["table.csv"]


def test_parquet_does_not_come_through_a_pipe(tmp_path):
    assert message("-", format="parquet") == "-: Parquet cannot be read from a pipe; save it as a file first"


def test_a_named_pipe_is_read_once(tmp_path, read):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(LINE * 3))
    writer.start()
    assert read(pipe).payloads == [LINE.strip()] * 3
    writer.join()


@pytest.fixture
def bucket(tree):
    """A local folder that answers as a bucket would."""
    (tree / "lake").mkdir()
    for name in ("b.jsonl", "a", "notes.txt", "_SUCCESS", "_tmp"):
        (tree / name).rename(tree / "lake" / name)
    return FolderRemote(tree)


def test_s3_uris_are_read_through_what_was_handed_in(bucket):
    every = ["s3://lake/a/b/c.JSONL", "s3://lake/a/z.ndjson", "s3://lake/b.jsonl"]
    assert names("", "s3://lake/", remote=bucket) == every
    assert names("", "s3://lake/a", remote=bucket) == every[:2]
    assert names("", "s3://lake/b.jsonl", remote=bucket) == every[2:]
    assert names("", "s3://lake/**/*.[jJ]*", remote=bucket) == [every[0], every[2]]
    assert names("", "s3://lake/a/*", remote=bucket) == every[1:2]
    assert names("", "s3://lake/_tmp/*", remote=bucket) == ["s3://lake/_tmp/x.jsonl"]
    assert names("", "s3://lake/*.txt", remote=bucket) == ["s3://lake/notes.txt"]
    source = open_source(input_settings(("s3://lake/",)), Selection(), remote=bucket)
    assert [row.payload for chunk in source.read() for row in chunk] == [LINE.strip()] * 3
    assert source.statistics().bytes_read == source.statistics().bytes_total == 24


def test_s3_errors(bucket):
    assert message("s3://lake/zzz", remote=bucket) == "s3://lake/zzz: no such object or prefix"
    assert message("s3://lake/*.zzz", remote=bucket) == "s3://lake/*.zzz: no object matches"
    assert message("s3://lake/b.jsonl") == (
        "s3://lake/b.jsonl: no access to S3 was set up for reading; copy the file here"
    )


def test_parquet_in_s3(parquet, tmp_path):
    parquet({"a": [1, 2]}, "lake/p.parquet")
    remote = FolderRemote(tmp_path)
    source = open_source(input_settings(("s3://lake/p.parquet",)), Selection(), remote=remote)
    assert [row.payload for chunk in source.read() for row in chunk] == [b'{"a":1}', b'{"a":2}']
    parquet({"a": [1, 3]}, "lake/p.parquet")
    with pytest.raises(InputError, match=r"s3://lake/p\.parquet: changed while it was being read"):
        list(source.read())


ODD = [
    "k/a.jsonl", "k//a.jsonl", "k/./a.jsonl", "k/../a.jsonl", "k/ a.jsonl", "k/a+b%20#?.jsonl", "k/\u2603.jsonl",
    "k/" + "x" * 1_016 + ".jsonl", "k/[a].jsonl",
]  # fmt: skip


def test_a_key_counts_byte_for_byte():
    remote = DictRemote({("lake", key): LINE for key in [*ODD, "k/", "k/sub/"]}, page=3)
    assert names("", "s3://lake/k/", remote=remote) == sorted(f"s3://lake/{key}" for key in ODD)
    for key in ODD:
        assert names("", f"s3://lake/{key}", remote=remote) == [f"s3://lake/{key}"]


def test_a_glob_lists_from_its_first_character_that_is_one():
    remote = DictRemote(
        {("lake", key): LINE for key in ("part-1.jsonl", "part-2.jsonl", "other/part-3.jsonl")}
    )
    assert names("", "s3://lake/part-*", remote=remote) == [
        "s3://lake/part-1.jsonl",
        "s3://lake/part-2.jsonl",
    ]
    assert remote.listed == [("lake", "part-")]


@pytest.mark.parametrize("uri", ["s3://", "s3:///k", "s3://*", "s3://la*/k"])
def test_an_uri_without_a_bucket_lists_nothing(uri):
    remote = DictRemote({("lake", "k"): LINE})
    assert message(uri, remote=remote) == f"{uri}: names no bucket; write s3://BUCKET/PREFIX"
    assert remote.listed == []


def test_a_prefix_of_folder_markers_has_nothing_to_read():
    remote = DictRemote({("lake", "k/"): b"", ("lake", "k/sub/"): b""})
    assert message("s3://lake/k", remote=remote) == "s3://lake/k: no such object or prefix"


@pytest.fixture
def mixed(tree, bucket):
    """Return a folder with what its reading leaves out, and the same as a bucket."""
    for name in (
        "in/part-0.jsonl",
        "in/part-1.snappy",
        "in/b.json",
        "in/sub/000002_0",
        "in/_SUCCESS",
        "in/.x.crc",
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(LINE)
    return tree / "in", bucket


def warnings(*paths, remote=None, **settings):
    source = open_source(
        input_settings(tuple(str(path) for path in paths), **settings), Selection(), remote=remote
    )
    return source.warnings


def test_what_reading_a_directory_leaves_out_is_said_once_with_names(mixed, tree):
    folder, bucket = mixed
    left_out = "b.json, part-1.snappy, sub/000002_0"
    named = "to have them read, name them or a glob that they match"
    assert warnings(folder) == (f"{folder}: not read: {left_out}; {named}",)
    assert warnings("s3://in", remote=bucket) == (f"s3://in: not read: {left_out}; {named}",)
    (folder / "linked").symlink_to(tree / "lake" / "a")
    linked = "linked/ (a link to a folder)"
    assert warnings(folder) == (
        f"{folder}: not read: b.json, {linked}, part-1.snappy, sub/000002_0; {named}",
    )
    assert warnings(folder / "part-0.jsonl", folder / "b.json") == ()
    assert names(tree, folder / "sub" / "*") == ["in/sub/000002_0"]


def test_files_of_another_format_are_left_out_and_said(tree, parquet):
    parquet({"a": [1]}, "d/1.parquet")
    (tree / "d" / "2.jsonl").write_bytes(LINE)
    (said,) = warnings(tree / "d", format="parquet")
    assert said.startswith(f"{tree}/d: not read: 2.jsonl; ")


def test_of_many_names_a_few_are_said(tree):
    for number in range(11):
        (tree / "a" / f"{number:02d}.csv").touch()
    (said,) = warnings(tree / "a")
    assert said.startswith(
        f"{tree}/a: not read: 00.csv, 01.csv, 02.csv, 03.csv, 04.csv, 05.csv, 06.csv, 07.csv and 3 more;"
    )


def test_partitions_are_no_hidden_folders(tree):
    for name in ("_day=1/x.jsonl", "day=2/_tmp/x.jsonl", ".day=3/x.jsonl"):
        (tree / "p" / name).parent.mkdir(parents=True)
        (tree / "p" / name).write_bytes(LINE)
    assert names(tree, tree / "p") == ["p/_day=1/x.jsonl"]
    assert names(tree, tree / "p" / "*" / "*.jsonl") == ["p/_day=1/x.jsonl"]


def test_a_file_that_was_named_is_read_whatever_it_is_called(tree, bucket):
    for name in ("lake/_named.jsonl", "lake/.named.jsonl", "lake/_n.txt"):
        (tree / name).write_bytes(LINE)
        assert names(tree, tree / name) == [name]
        assert names("", f"s3://{name}", remote=bucket) == [f"s3://{name}"]
    assert names(tree, tree / "lake" / "_n*.jsonl") == ["lake/_named.jsonl"]
    assert names("", "s3://lake/_n*.jsonl", remote=bucket) == ["s3://lake/_named.jsonl"]
    assert message(tree / "lake" / "*named.jsonl").endswith("*named.jsonl: no file matches")


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "a Delta table"),
        ("metadata/v1.metadata.json", "an Iceberg table"),
        (".hoodie/hoodie.properties", "a Hudi table"),
    ],
)
@pytest.mark.parametrize("below", ["", "deep/"])
def test_a_table_whose_log_says_which_files_count_is_refused_by_name(tree, bucket, log, kind, below):
    folder = tree / "lake" / "t" / below
    for name in (log, "data/old.jsonl"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(LINE)
    where = f"t/{below}".rstrip("/")
    assert message(tree / "lake" / "t").startswith(f"{tree}/lake/{where}: is {kind}: ")
    assert message("s3://lake/t", remote=bucket).startswith(f"s3://lake/{where}: is {kind}: ")
    assert names(tree, folder / "data" / "*.jsonl") == [f"lake/{where}/data/old.jsonl"]


def test_a_folder_within_a_table_is_no_dataset_either(tree):
    for name in ("t/_delta_log/0.json", "t/day=1/x.jsonl"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_bytes(LINE)
    assert message(tree / "t" / "day=1").startswith(f"{tree.resolve()}/t: is a Delta table: ")
    assert names(tree, tree / "t" / "day=1" / "x.jsonl") == ["t/day=1/x.jsonl"]


def test_parquet_is_known_by_its_first_bytes_though_its_name_says_gzip(read, parquet, tmp_path):
    path = parquet({"a": [1]}, "df.parquet.gzip", compression="gzip")
    assert read(path).payloads == [b'{"a":1}']
    assert read(path, compression="gzip").payloads == [b'{"a":1}']
    around = tmp_path / "around.parquet.gz"
    around.write_bytes(gzip.compress(path.read_bytes()))
    assert message(around) == f"{around}: is gzip around a file; unpack it first: gunzip -c FILE > UNPACKED"


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "a Delta table"),
        ("metadata/v1.metadata.json", "an Iceberg table"),
        (".hoodie/hoodie.properties", "a Hudi table"),
    ],
)
def test_files_of_a_table_that_are_named_are_read_with_a_word(tree, bucket, log, kind):
    folder = tree / "lake" / "t"
    for name in (log, "data/old.jsonl"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(LINE)
    said = f"is {kind}, whose log is not read: some of these files may no longer be part of it"
    for path in (
        folder / "data" / "old.jsonl",
        folder / "data" / "*.jsonl",
        tree / "lake" / "t" / "**" / "o*.jsonl",
    ):
        assert take_inventory(input_settings((str(path),)), remote=None).warnings == (
            f"{path}: {folder} {said}",
        )
    for path in ("s3://lake/t/*/*.jsonl", "s3://lake/**/old.jsonl"):
        found = take_inventory(input_settings((path,)), remote=bucket)
        assert found.warnings == (f"{path}: s3://lake/t {said}",)
    (tree / "lake" / "other.jsonl").write_bytes(LINE)
    assert take_inventory(input_settings((f"{tree}/lake/other.jsonl",)), remote=None).warnings == ()
    assert take_inventory(input_settings(("s3://lake/*.jsonl",)), remote=bucket).warnings == ()
