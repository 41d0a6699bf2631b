"""One experiment against an account in memory: what is asked before, what a signal does, what is left behind."""

from __future__ import annotations

import signal

import anyio
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import in_memory
from support.signals import fake_signals

from fanout.bench.run import run_bench
from fanout.config.model import Config
from fanout.engine.snapshot import Quiet
from fanout.errors import Interrupted, RunError, UsageError
from fanout.simulator.settings import SimulatorSettings


def bench(directory, *, observer=None, bench=None, transport=None, **sections):
    config = Config.model_validate(
        {
            "endpoint": {"name": "simulated"},
            "transport": {"input_prefix": "s3://simulated/inputs"} | (transport or {}),
            "bench": {"rate": 400, "pairs": 8, "warmup": 2, "sizes": ["100B"]} | (bench or {}),
        }
        | sections
    )

    async def main():
        return await run_bench(config, directory, seed=1, observer=observer or Quiet())

    return anyio.run(main)


def uploaded(account):
    return [key for key, _ in account.world.objects.list("simulated", "inputs/").entries]


class Looking:
    """Acts at its first look at which `when` holds; keeps the looks."""

    def __init__(self, act, *, when):
        self.looks = []
        self._act = act
        self._when = when

    async def watch(self, look, *, now):
        while True:
            self.looks.append(look())
            if self._when(self.looks[-1]):
                self._act()
                await anyio.sleep_forever()
            await anyio.lowlevel.checkpoint()


def test_each_payload_goes_both_ways_and_nothing_stays_behind(monkeypatch, tmp_path):
    account = in_memory(monkeypatch)
    observer = Looking(lambda: None, when=lambda look: look.ended == 20)
    result = bench(tmp_path, observer=observer)
    assert pq.read_metadata(result.output).num_rows == 20
    assert (result.stopped, result.interrupted, result.warnings) == (None, False, ())
    assert (result.setup.region, result.endpoint, result.simulated) == ("eu-memory-1", "simulated", True)
    assert (result.setup.payloads, result.setup.notified, result.setup.closed) == (
        {"from": "made"},
        True,
        None,
    )
    assert result.lags_ms
    assert {look.total for look in observer.looks} == {20}
    assert {look.share for look in observer.looks} == {None}
    assert max(look.read for look in observer.looks) == 20
    assert account.log == ["+local", "+cloud", "+queue", "-queue", "-cloud", "-local"]
    assert account.world.queues.names == ()
    assert [path.name for path in tmp_path.iterdir()] == ["bench.parquet"]


def test_how_many_rows_of_a_dataset_go_both_ways_shows_at_the_end(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    write_jsonl(tmp_path / "in.jsonl", [{"n": n} for n in range(5)])
    observer = Looking(lambda: None, when=lambda look: look.ended == 14)
    result = bench(tmp_path, observer=observer, input={"paths": [str(tmp_path / "in.jsonl")]})
    assert pq.read_metadata(result.output).num_rows == 2 * (2 + 5)
    assert result.setup.payloads["from"] != "made"
    assert {look.total for look in observer.looks} == {None}


def test_a_signal_ends_the_arrivals_and_the_rest_has_its_time(monkeypatch, tmp_path, caplog):
    signals = fake_signals(monkeypatch)
    in_memory(monkeypatch, SimulatorSettings.model_validate({"service_time": {"median_s": 0.05}}))
    observer = Looking(lambda: signals.send(signal.SIGINT), when=lambda look: look.accepted)
    result = bench(tmp_path, observer=observer, bench={"pairs": 5_000})
    assert (result.stopped, result.interrupted) == ("SIGINT came", True)
    rows = pq.read_table(result.output).to_pylist()
    assert 2 <= len(rows) < 10_000
    assert len(rows) % 2 == 0, "each pair that began has both of its requests"
    assert {row["status"] for row in rows} == {"succeeded"}
    assert "SIGINT: collecting what the endpoint has; again to stop at once" in caplog.text


def test_a_second_signal_stops_at_once_and_leaves_no_report(monkeypatch, tmp_path):
    signals = fake_signals(monkeypatch)
    account = in_memory(monkeypatch, SimulatorSettings.model_validate({"service_time": {"median_s": 1_000}}))

    def twice():
        signals.send(signal.SIGINT)
        signals.send(signal.SIGINT)

    with pytest.raises(Interrupted, match="stopped at once; an experiment cannot be resumed: start it again"):
        bench(tmp_path, observer=Looking(twice, when=lambda look: look.accepted and uploaded(account)))
    assert account.world.queues.names == ()
    assert uploaded(account) == [], "an experiment cannot be resumed: no later process would delete them"
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_knows_enough_says_so(monkeypatch, tmp_path):
    in_memory(monkeypatch)
    result = bench(tmp_path, bench={"pairs": 2_000, "rate": 1_000, "until_ms": 1_000.0})
    assert result.stopped == "every size was known to within 1000 ms"
    assert not result.interrupted


@pytest.mark.parametrize(
    ("inline", "given", "error", "words"),
    [
        (False, {}, RunError, "not available in eu-memory-1: there is nothing to compare"),
        (True, {"transport": {"input_prefix": None}}, UsageError, "name one with --input-prefix"),
        (True, {"endpoint": {}}, UsageError, "no endpoint: name it with --endpoint, or try --local"),
        (True, {"endpoint": {"name": "nowhere"}}, RunError, "endpoint 'nowhere'"),
    ],
)
def test_what_is_wrong_with_the_question_is_told_before_a_queue_is_made(
    monkeypatch, tmp_path, inline, given, error, words
):
    account = in_memory(monkeypatch, inline=inline)
    with pytest.raises(error, match=words):
        bench(tmp_path, **given)
    assert account.log == ["+local", "+cloud", "-cloud", "-local"]
    assert list(tmp_path.iterdir()) == []


def test_a_cold_endpoint_is_in_the_warnings(monkeypatch, tmp_path):
    in_memory(monkeypatch, SimulatorSettings(instances=0))
    first, *others = bench(tmp_path).warnings
    assert first == "the endpoint had no instance at the start: its service times include a cold start"
    assert ["accepts and queues rows" in text for text in others] == [True]
