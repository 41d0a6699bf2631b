"""Every public function shows an example, and each runs as it is written, against the local AWS."""

from __future__ import annotations

import asyncio
import doctest
import inspect

import pytest
from support.cli import environment, local_aws

import fanout

QUICK = ("service_time.median_s=0.01", "service_time.sigma=0", "endpoint_name=my-endpoint", "instances=4")
SHOWN = (
    ("run", fanout.run),
    ("plan", fanout.plan),
    ("resume", fanout.resume),
    ("merge", fanout.merge),
    ("retry", fanout.retry),
    ("export", fanout.export),
    ("status", fanout.status),
    ("load_config", fanout.load_config),
    ("open", fanout.open),
    ("Session.send", fanout.Session.send),
    ("Session.map", fanout.Session.map),
    ("Record.of", fanout.Record.of),
)


@pytest.fixture(scope="module")
def aws():
    with local_aws(*QUICK) as running:
        yield running


def test_no_public_function_is_without_an_example():
    functions = {name for name in fanout.__all__ if inspect.isfunction(getattr(fanout, name))}
    methods = {f"Session.{name}" for name in vars(fanout.Session) if not name.startswith("_")}
    # For code with an event loop of its own: what `run`, `resume` and `retry` await.
    assert functions | methods | {"Record.of"} == {name for name, _ in SHOWN} | {
        "run_job",
        "resume_job",
        "retry_job",
    }


def test_the_examples_run_as_they_are_written(aws, tmp_path, monkeypatch):
    for name, value in environment(**aws.env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"n": 0}\n{"n": 1}\n{"n": 2}\n')
    (tmp_path / "mixed.jsonl").write_text('{"n": 0}\nthis is no JSON\n')
    (tmp_path / "job.toml").write_text("[pacing]\nrate = 200\n")
    names = {"fanout": fanout, "asyncio": asyncio}
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    for name, function in SHOWN:
        [test] = finder.find(function, name, module=False, globs=names)
        assert test.examples, f"{name} has no example"
        runner.run(test, out=said.append, clear_globs=False)
        names.update(test.globs)  # the next example may go on with what this one has
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
