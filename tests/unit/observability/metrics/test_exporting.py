"""All exporters of a run together: what they show at its end, and that none of them can hold it up."""

from __future__ import annotations

import anyio
import pytest

from fanout.config.load import load_config
from fanout.config.model import Config
from fanout.domain.records import Outcome
from fanout.errors import Exit, Interrupted, UsageError
from fanout.observability.metrics.exporting import exporting

from .conftest import T0, gateway, run, says, values

TIMESTAMP = "fanout_last_success_timestamp_seconds"


def config(**metrics):
    return Config.model_validate({"metrics": metrics})


def test_nothing_is_counted_unless_somebody_asks():
    async def main():
        async with exporting(Config(), now=lambda: T0, warn=pytest.fail) as exporters:
            return exporters

    exporters = run(main)
    assert (exporters.observers, exporters.fold, exporters.facts, exporters.port) == ((), None, None, None)
    exporters.completed(Exit.OK, now=T0)  # and this is harmless


def test_the_last_file_has_the_last_row_and_the_next_run_remembers(tmp_path):
    path = tmp_path / "f.prom"

    async def main(now, code):
        async with exporting(config(textfile=str(path)), now=lambda: now, warn=pytest.fail) as exporters:
            fold = exporters.fold.add
            fold(Outcome(row=0, id=None, passthrough=(), status="failed", transport="inline"))
            if code is not None:
                exporters.completed(code, now=now + 1)
            else:
                raise Interrupted("SIGTERM")

    run(lambda: main(T0, Exit.OK))
    assert 'fanout_records_total{job="fanout",status="failed",transport="inline"} 1.0' in path.read_text()
    run(lambda: main(T0 + 100, Exit.ROWS_FAILED))
    found = values(path.read_text())
    assert (found["fanout_exit_code"], found[TIMESTAMP]) == (3, T0 + 1)
    assert found["fanout_last_completion_timestamp_seconds"] == T0 + 101
    with pytest.raises(Interrupted):
        run(lambda: main(T0 + 200, None))
    found = values(path.read_text())
    assert (found["fanout_exit_code"], found[TIMESTAMP], found["fanout_running"]) == (75, T0 + 1, 0)
    assert found["fanout_last_completion_timestamp_seconds"] == T0 + 101


def test_the_last_word_is_said_even_when_the_run_is_cancelled(tmp_path):
    path = tmp_path / "f.prom"

    async def main(address):
        settings = config(textfile=str(path), pushgateway=address, port=0)
        with anyio.CancelScope() as scope:
            async with exporting(settings, now=lambda: T0, warn=pytest.fail):
                scope.cancel()
                await anyio.sleep_forever()

    with gateway(says(200)) as (address, came):
        run(lambda: main(address))
    assert values(path.read_text())["fanout_exit_code"] == 1
    assert values(came[0][2])["fanout_exit_code"] == 1


def test_a_password_in_the_gateways_url_is_refused():
    with pytest.raises(UsageError, match="credentials"):
        load_config(None, environ={}, flags={"metrics": {"pushgateway": "http://me:secret@gateway"}})


def test_a_textfile_path_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "job.toml").write_text('[metrics]\ntextfile = "f.prom"\n')
    loaded = load_config(tmp_path / "job.toml", environ={"FANOUT_METRICS_PORT": "9000"}, flags={})
    assert loaded.metrics.textfile == str(tmp_path / "f.prom")
    assert loaded.metrics.port == 9000
