"""What stands beside an experiment's output: its verdicts and its baseline, if they are of that experiment."""

from __future__ import annotations

import json

from fanout.report.bench_record import MedianChange, read_bench_record

CHANGE = {
    "group": "all sizes", "way": "inline", "phase": "total", "before": 90.0, "now": 100.0,
    "change": {"n": 50, "median": 10.0, "low": 5.0, "high": 15.0}, "verdict": "slower",
}  # fmt: skip
CONTENT = {
    "run": "abcdefghij",
    "stopped": None,
    "checks": [{"text": "worse", "holds": True, "found": "inline 90.0 -> 100.0 ms", "measured": True}],
    "baseline": {
        "path": "before/bench.json",
        "differences": {"rate_per_s": [40.0, 20.0], "payloads": [{"from": "made"}, None]},
        "changes": [CHANGE, CHANGE | {"group": "1 KB"}],
    },
}


def record(tmp_path, content, run_id="abcdefghij"):
    (tmp_path / "bench.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_bench_record(tmp_path / "bench.parquet", run_id=run_id)


def test_verdicts_and_baseline_are_read(tmp_path):
    found = record(tmp_path, CONTENT)
    assert [(each.text, each.fails) for each in found.checks] == [("worse", True)]
    assert found.against.path == "before/bench.json"
    assert found.against.differs_in == (("rate_per_s", "40.0", "20.0"), ("payloads", "from made", "none"))
    assert found.against.changes == (MedianChange("total", "inline", 90.0, 100.0, 10.0, 5.0, 15.0, "slower"),)


def test_without_a_baseline_there_is_none(tmp_path):
    assert record(tmp_path, CONTENT | {"baseline": None}).against is None


def test_what_is_not_there_damaged_or_of_another_experiment_is_not_known(tmp_path):
    assert read_bench_record(tmp_path / "bench.parquet", run_id="abcdefghij") is None
    assert record(tmp_path, CONTENT, run_id="bbbbbbbbbb") is None
    assert record(tmp_path, "{") is None
    assert record(tmp_path, "[]") is None
    assert record(tmp_path, {"run": "abcdefghij"}) is None
