"""An output is refused where a later run would read it as rows."""

from __future__ import annotations

import pytest

from fanout.commands.run import check_paths
from fanout.config.load import load_config
from fanout.errors import UsageError


def check(folder, path, output):
    config = load_config(None, environ={}, flags={"input": {"paths": [f"{folder}/{path}"]}})
    check_paths(config, f"{folder}/{output}")


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("in", "in/out.parquet"),
        ("in/", "in/deep/out.parquet"),
        ("in", "in/out/"),
        ("in/../in", "in/out.parquet"),
        ("link", "in/out.parquet"),
        ("in/*.parquet", "in/out.parquet"),
        ("i*", "in/out.parquet"),
        ("**/*.parquet", "in/deep/out.parquet"),
    ],
)
def test_an_output_among_the_inputs_is_refused(tmp_path, path, output):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(UsageError, match=r"is among the inputs .* choose another place for it"):
        check(tmp_path, path, output)


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("in", "out.parquet"),
        ("in", "in.parquet"),
        ("in/*.jsonl", "in/out.parquet"),
        ("in/*.parquet", "in/deep/out.parquet"),
        ("in/x.jsonl", "in/out.parquet"),
        ("-", "in/out.parquet"),
    ],
)
def test_an_output_beside_the_inputs_is_not(tmp_path, path, output):
    (tmp_path / "in").mkdir()
    check(tmp_path, path, output)
