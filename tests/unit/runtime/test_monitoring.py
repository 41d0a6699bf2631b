"""What `status.json` and the metrics say of a run while it goes on, and once it has ended."""

from __future__ import annotations

import json
import logging

import anyio
import pytest

from fanout.config.model import Config
from fanout.domain.records import Outcome
from fanout.domain.row_ranges import Stripe
from fanout.engine.snapshot import Snapshot
from fanout.errors import Exit, Interrupted, RunError
from fanout.observability.metrics.fold import Fold
from fanout.rundir.paths import RunDirectory
from fanout.runtime.monitoring import monitoring
from fanout.runtime.spec import RunSpec

T0 = 1_700_000_000.0
LOOK = Snapshot(3, 2, 10, None, 1, 0, 0, 0, None)


@pytest.fixture
def watched(tmp_path):
    """Runs a block under monitoring; returns what `status.json` says, and the text file of the metrics."""

    def go(act, *, fold=None, stripe=None, metrics=True, port=None):
        given = {"metrics": {"textfile": str(tmp_path / "f.prom"), "port": port}} if metrics else {}
        spec = RunSpec(
            run_id="abcdefghij",
            config=Config.model_validate(given),
            directory=RunDirectory(tmp_path),
            stripe=stripe,
        )

        async def main():
            async with monitoring(spec, fold=fold, now=lambda: T0, warn=pytest.fail) as monitor:
                async with anyio.create_task_group() as tasks:
                    for observer in monitor.observers:

                        async def watch(observer=observer):
                            await observer.watch(lambda: LOOK, now=lambda: T0)

                        tasks.start_soon(watch)
                    while not (tmp_path / "status.json").exists():
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
                act(monitor)

        try:
            anyio.run(main)
        finally:
            watched.status = json.loads((tmp_path / "status.json").read_text())
            file = tmp_path / "f.prom"
            watched.text = file.read_text() if file.exists() else None

    def watched(*arguments, **more):
        go(*arguments, **more)
        return watched

    return watched


def outcome(row):
    return Outcome(row=row, id=None, passthrough=(), status="failed", transport="inline")


def test_a_run_that_finished_says_so_with_its_exit_code(watched):
    def act(monitor):
        monitor.fold.add(outcome(0))
        monitor.completed(Exit.ROWS_FAILED)

    said = watched(act)
    assert (said.status["state"], said.status["reason"]) == ("finished", None)
    assert said.status["snapshot"]["ended"] == 3
    assert 'fanout_exit_code{job="fanout"} 3.0' in said.text
    assert 'fanout_records_total{job="fanout",status="failed",transport="inline"} 1.0' in said.text


@pytest.mark.parametrize("port", [None, 0])
@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (Interrupted("SIGTERM: stopped; look again"), "SIGTERM: stopped; look again", 75),
        (RunError("endpoint 'e' is Failed"), "endpoint 'e' is Failed", 4),
        (ZeroDivisionError("a secret"), "ZeroDivisionError", 1),
    ],
)
def test_a_run_that_failed_says_why_and_its_caller_gets_the_error(watched, port, error, reason, code):
    def act(_monitor):
        raise error

    with pytest.raises(type(error)) as caught:
        watched(act, port=port)
    assert caught.value is error
    assert (watched.status["state"], watched.status["reason"]) == ("stopped", reason)
    assert f'fanout_exit_code{{job="fanout"}} {code}.0' in watched.text


def test_nothing_is_counted_for_metrics_that_are_not_asked_for(watched):
    def act(monitor):
        assert monitor.fold is None
        assert len(monitor.observers) == 1, "status.json alone"
        monitor.completed(Exit.OK)

    said = watched(act, metrics=False)
    assert said.status["state"] == "finished"
    assert "counted" not in said.status
    assert said.text is None


def test_a_shard_counts_for_the_process_that_started_it(watched):
    fold = Fold()

    def act(monitor):
        assert monitor.fold is fold, "although it is empty yet"
        fold.add(outcome(0))

    said = watched(act, fold=fold, stripe=Stripe(0, 2), metrics=False)
    assert said.status["counted"] == json.loads(json.dumps(fold.dump()))


def test_a_cancelled_run_says_that_it_stopped(tmp_path):
    spec = RunSpec(run_id="abcdefghij", config=Config(), directory=RunDirectory(tmp_path))

    async def main():
        with anyio.CancelScope() as scope:
            async with monitoring(spec, fold=None, now=lambda: T0, warn=logging.error):
                scope.cancel()
                await anyio.sleep_forever()

    anyio.run(main)
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "stopped"
