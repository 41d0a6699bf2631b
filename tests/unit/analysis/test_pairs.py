"""Which rows of an experiment's output are pairs, and which size they count for."""

from __future__ import annotations

from fanout.analysis.pairs import DISTINCT_MAX, read_samples

from .conftest import request, write_experiment


def test_a_phase_comes_in_pair_order_whatever_the_rows_order(tmp_path):
    rows = [
        request(2, "s3", total_ms=32.0, upload_ms=9.0), request(0, "inline", total_ms=10.0),
        request(1, "s3", total_ms=31.0, upload_ms=8.0), request(0, "s3", total_ms=30.0, upload_ms=7.0),
        request(2, "inline", total_ms=12.0), request(1, "inline", total_ms=11.0),
    ]  # fmt: skip
    samples = read_samples(write_experiment(tmp_path, rows))
    assert (samples.pairs, samples.incomplete) == (3, 0)
    inline, s3 = samples.phase("total")
    assert (inline.to_pylist(), s3.to_pylist()) == ([10.0, 11.0, 12.0], [30.0, 31.0, 32.0])
    inline, s3 = samples.phase("raw")
    assert (inline.to_pylist(), s3.to_pylist()) == ([9.0, 10.0, 11.0], [29.0, 30.0, 31.0]), "without the wait"
    inline, s3 = samples.phase("upload")
    assert (inline.to_pylist(), s3.to_pylist()) == ([None] * 3, [7.0, 8.0, 9.0])


def test_warm_up_is_left_out_and_a_pair_with_a_failure_is_counted(tmp_path):
    rows = [request(pair, way) for pair in range(4) for way in ("inline", "s3")]
    for row in rows[:2]:
        row["bench_warmup"] = True
    rows[2]["status"] = "failed"  # pair 1, inline
    rows[5] |= {"status": "rejected", "transport": None}  # pair 2, via S3: never routed
    samples = read_samples(write_experiment(tmp_path, rows))
    assert (samples.pairs, samples.incomplete) == (1, 2)
    assert samples.phase("total")[0].to_pylist() == [100.0]


def test_few_sizes_stand_for_themselves(tmp_path):
    rows = [
        request(pair, way, payload_bytes=(300, 20)[pair % 2]) for pair in range(5) for way in ("inline", "s3")
    ]
    groups = read_samples(write_experiment(tmp_path, rows)).groups
    assert [(group.from_bytes, group.to_bytes, group.members.to_pylist()) for group in groups] == [
        (20, 20, [1, 3]),
        (300, 300, [0, 2, 4]),
    ]


def test_many_sizes_become_classes_of_which_the_empty_ones_are_left_out(tmp_path):
    sizes = [0, 1_000, 1_001, *range(9_000, 9_000 + DISTINCT_MAX), 128_000]
    rows = [
        request(pair, way, payload_bytes=size) for pair, size in enumerate(sizes) for way in ("inline", "s3")
    ]
    groups = read_samples(write_experiment(tmp_path, rows)).groups
    assert [(group.from_bytes, group.to_bytes, len(group.members)) for group in groups] == [
        (0, 1_000, 2),
        (1_001, 8_000, 1),
        (8_001, 32_000, DISTINCT_MAX),
        (64_001, 128_000, 1),
    ]
