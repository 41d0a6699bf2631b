"""Which shard a process is: as it was told, or as its scheduler says."""

from __future__ import annotations

import pytest

from fanout.domain.shard_index import ShardIndex, shard_index

BATCH = {"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "64"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0", "FANOUT_SHARDS": "8"}
SLURM = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4"}


@pytest.mark.parametrize(
    ("text", "environ", "found"),
    [
        ("0/1", {}, ShardIndex(0, 1)),
        ("63/64", BATCH, ShardIndex(63, 64)),
        ("auto", BATCH, ShardIndex(3, 64)),
        ("auto", KUBERNETES, ShardIndex(0, 8)),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MIN": "4"}, ShardIndex(3, 4)),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "3"}, ShardIndex(2, 4)),
        ("auto", {**BATCH, "FANOUT_SHARD": "1/2"}, ShardIndex(1, 2)),
        ("auto", {"FANOUT_SHARD": "", **BATCH}, ShardIndex(3, 64)),
    ],
)
def test_it_is_told(text, environ, found):
    assert shard_index(text, environ) == found
    assert shard_index(str(found), {}) == found


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("8/8", {}, "out of range: there are 8 shards, numbered from 0 to 7"),
        ("1/0", {}, "out of range"),
        ("-1/4", {}, "should be i/N"),
        ("1", {}, "should be i/N"),
        ("auto", {}, "no scheduler says which shard this is"),
        ("auto", {"FANOUT_SHARD": "two"}, "FANOUT_SHARD two: should be i/N"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "FANOUT_SHARDS is not set"),
        ("auto", {**KUBERNETES, "FANOUT_SHARDS": "eight"}, "FANOUT_SHARDS=eight is not a number"),
        (
            "auto",
            {**BATCH, "AWS_BATCH_JOB_ARRAY_INDEX": "64"},
            "AWS_BATCH_JOB_ARRAY_INDEX=64 is out of range",
        ),
        ("auto", SLURM, r"SLURM_ARRAY_TASK_ID=7 \(from 0 by 1\) is out of range"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_STEP": "2"}, "is none of 0, 2, …: number the tasks evenly"),
    ],
)
def test_what_means_no_shard(text, environ, words):
    with pytest.raises(ValueError, match=words):
        shard_index(text, environ)
