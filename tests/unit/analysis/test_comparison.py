"""Two transports side by side: quantiles of each, differences pair by pair, whole and by size."""

from __future__ import annotations

from fanout.analysis.comparison import compare
from fanout.analysis.pairs import DISTINCT_MAX, PHASES, read_samples
from fanout.analysis.quantiles import Interval

from .conftest import request, write_experiment


def test_each_phase_of_each_size(tmp_path):
    rows = []
    for pair in range(20):
        size = 1_000 if pair % 2 else 64_000
        slower = 30.0 if size == 1_000 else -10.0  # S3 overtakes
        rows += [
            request(pair, "inline", payload_bytes=size, total_ms=100.0, fetch_ms=5.0),
            request(pair, "s3", payload_bytes=size, total_ms=100.0 + slower, fetch_ms=5.0, upload_ms=20.0),
        ]
    found = compare(read_samples(write_experiment(tmp_path, rows)))
    assert [(group.label, group.pairs) for group in (found.everything, *found.groups)] == [
        ("all sizes", 20),
        ("1 KB", 10),
        ("64 KB", 10),
    ]
    assert (found.everything.from_bytes, found.everything.to_bytes) == (1_000, 64_000)
    small, large = (group.phases for group in found.groups)
    assert set(small) == set(PHASES)
    assert small["total"].difference == Interval(10, 30.0, 30.0, 30.0)
    assert large["total"].difference == Interval(10, -10.0, -10.0, -10.0)
    assert (small["total"].inline.p50, small["total"].s3.p50) == (100.0, 130.0)
    assert small["fetch"].difference == Interval(10, 0.0, 0.0, 0.0)
    assert small["upload"].inline is None, "an inline row is not uploaded"
    assert small["upload"].difference == Interval(10, 20.0, 20.0, 20.0), "the upload counts in full"
    assert (small["notify"].inline, small["notify"].difference) == (None, None), "no row had it"
    assert (found.crossing.kind, found.crossing.below) == ("crosses", "inline")
    assert found.crossing.between_bytes == (1_000, 64_000)


def test_classes_of_sizes_are_named_by_their_ends(tmp_path):
    rows = [
        request(pair, way, payload_bytes=1_000 + pair)
        for pair in range(DISTINCT_MAX + 1)
        for way in ("inline", "s3")
    ]
    groups = compare(read_samples(write_experiment(tmp_path, rows))).groups
    assert [(group.label, group.pairs) for group in groups] == [("0 B to 1 KB", 1), ("1,001 B to 8 KB", 12)]


def test_no_pair_is_no_figure(tmp_path):
    found = compare(read_samples(write_experiment(tmp_path, [request(0, "inline")])))
    assert (found.everything.pairs, found.groups, found.incomplete) == (0, (), 1)
    assert found.everything.phases["total"].difference is None
    assert found.crossing.kind == "undecided"
