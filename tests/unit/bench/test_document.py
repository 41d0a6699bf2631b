"""From a finished experiment to `bench.json`, the exit code and the terminal, whatever the verdict."""

from __future__ import annotations

import io
import json
import signal
from dataclasses import replace

import pytest
from rich.console import Console
from support.in_memory import in_memory
from support.signals import fake_signals

from fanout.bench.document import read_baseline
from fanout.bench.experiment import ask
from fanout.bench.experiment import bench as experiment
from fanout.bench.text import print_result
from fanout.config.model import Config
from fanout.engine.snapshot import Quiet
from fanout.errors import Exit, UsageError
from fanout.simulator.settings import SimulatorSettings

from .test_run import Looking


def config(**bench):
    standard = {"rate": 1_000, "pairs": 12, "warmup": 2, "sizes": ["100B", "2KB"], "late_ms": 10_000}
    return Config.model_validate(
        {
            "endpoint": {"name": "simulated"},
            "transport": {"input_prefix": "s3://simulated/inputs"},
            "bench": standard | bench,
        }
    )


def carried_out(directory, *, fail_if=(), baseline=None, observer=None, **bench):
    wanted = config(**bench)
    result = experiment(
        wanted,
        directory,
        seed=1,
        questions=ask(fail_if, baseline, config=wanted),
        observer=observer or Quiet(),
        overwrite=False,
    )
    return result, json.loads((directory / "bench.json").read_text())


def printed(result, directory):
    console = Console(file=io.StringIO(), width=200)
    print_result(result, console, document=directory / "bench.json")
    return console.file.getvalue()


def test_an_experiment_that_was_carried_out_has_numbers(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    result, found = carried_out(tmp_path / "one", fail_if=["total.p50 > 1min", "failures > 0"])
    assert (result.exit, found["exit_code"], found["valid"]) == (Exit.OK, 0, True)
    assert found["failures"]["s3"] == {"requests": 24, "failed": 0}
    assert found["setup"]["region"] == found["region"] == "eu-memory-1"
    assert [(each["text"], each["holds"], each["measured"]) for each in found["checks"]] == [
        ("total.p50 > 1min", False, True),
        ("failures > 0", False, True),
    ]
    assert "passed: --fail-if 'failures > 0': 0 of 48 requests (0.0%) failed" in printed(result, tmp_path)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_half_of_the_requests_failed_is_no_headline(monkeypatch, tmp_path, share):
    in_memory(monkeypatch, SimulatorSettings(failure_share=share, seed=3))
    result, found = carried_out(tmp_path / "one", fail_if=["total.p99 > 1min"])
    assert (result.exit, found["exit_code"], found["valid"]) == (Exit.ROWS_FAILED, 3, False)
    assert found["client"]["limit"] == "failures"
    assert (found["all"], found["groups"], found["crossing"]) == (None, [], None)
    failed = found["failures"]["all"]["failed"]
    assert 0.6 * share < failed / 48 <= share * 1.4
    checks = {each["text"]: (each["holds"], each["measured"]) for each in found["checks"]}
    assert checks == {"total.p99 > 1min": (False, False), "failures > 1%": (True, True)}
    text = printed(result, tmp_path)
    assert "NOT MEASURED: too many requests failed" in text
    assert "FAILED: --fail-if 'total.p99 > 1min': the service was not measured" in text
    assert f"FAILED: --fail-if 'failures > 1%': {failed} of 48 requests" in text
    assert "faster" not in text


def test_under_ten_pairs_it_says_why_there_is_no_figure(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    result, found = carried_out(tmp_path / "one", pairs=4)
    assert (result.exit, found["client"]["limit"], found["pairs"]) == (Exit.ROWS_FAILED, "pairs", 8)
    text = printed(result, tmp_path)
    assert "NOT MEASURED: too few pairs for a figure" in text
    assert "only 8 pairs succeeded both ways: no figure is made of fewer than 10; raise --pairs" in text


def test_a_size_of_under_ten_pairs_has_no_figure_and_no_sign(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    result, found = carried_out(tmp_path / "one", pairs=6)
    assert (result.exit, found["valid"], found["pairs"]) == (Exit.OK, True, 12)
    assert (found["crossing"]["kind"], found["crossing"]["untold"]) == ("undecided", [100, 2_000])
    assert printed(result, tmp_path).count("none: under 10 pairs") == 2


def test_an_experiment_that_was_interrupted_at_its_first_pair_is_written_down(monkeypatch, tmp_path):
    signals = fake_signals(monkeypatch)
    in_memory(monkeypatch)
    observer = Looking(lambda: signals.send(signal.SIGINT), when=lambda look: True)
    result, found = carried_out(tmp_path / "one", observer=observer, rate=50, warmup=0)
    assert (result.exit, found["exit_code"], found["valid"]) == (Exit.INTERRUPTED, 75, False)
    assert found["stopped"] == "SIGINT came"


def test_in_what_two_experiments_differ_is_recorded_and_told(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    carried_out(tmp_path / "one")
    result, found = carried_out(tmp_path / "two", baseline=tmp_path / "one/bench.json", closed=3)
    assert found["baseline"]["differs_in"] == ["closed", "window"]
    assert found["baseline"]["differences"] == {"closed": [None, 3], "window": [10_000, 3]}
    said = printed(result, tmp_path)
    assert "note: the two differ in closed (none then, 3 now); window (10000 then, 3 now)" in said
    result, found = carried_out(tmp_path / "three", baseline=tmp_path / "one/bench.json")
    assert found["baseline"]["differs_in"] == []


def test_what_an_earlier_version_did_not_record_differs(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    _, found = carried_out(tmp_path / "one")
    del found["setup"]
    (tmp_path / "old.json").write_text(json.dumps(found))
    _, found = carried_out(tmp_path / "two", baseline=tmp_path / "old.json")
    assert {"concurrency", "client", "payloads"} <= set(found["baseline"]["differs_in"])
    assert "region" not in found["baseline"]["differs_in"]


def test_a_gate_is_checked_whole_before_anything_is_opened(monkeypatch, tmp_path):
    account = in_memory(monkeypatch)
    carried_out(tmp_path / "one", sizes=["100B"])
    account.log.clear()
    for condition, words in (
        ("total.p50@3KB > 1ms", "no payload of 3 KB will be tried, only 100 B, 2 KB"),
        ("total.p50@2KB > baseline", "the baseline has nothing of that kind"),
        ("total.p50 > 1,5ms", "column 13"),
    ):
        with pytest.raises(UsageError, match=words):
            carried_out(tmp_path / "two", fail_if=[condition], baseline=tmp_path / "one/bench.json")
    assert account.log == []
    assert not (tmp_path / "two").exists()


def test_a_baseline_without_numbers_is_none(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    carried_out(tmp_path / "one", pairs=1)
    with pytest.raises(UsageError, match="did not measure the service"):
        read_baseline(tmp_path / "one/bench.json")


def test_a_condition_that_nothing_answers_fails_the_command(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    result, _ = carried_out(tmp_path / "one", fail_if=["total.p50 > 1min"])
    assert result.exit == Exit.OK
    missed = [replace(each, measured=False) for each in result.checks]
    assert replace(result, checks=missed).exit == Exit.ROWS_FAILED
