"""The name of a process: it tells that the process has ended, and never takes another one for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fanout.concurrency import process_name
from fanout.concurrency.process_name import has_ended, this_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
SAYS = "from fanout.concurrency.process_name import this_process as name; print(name(), flush=True); input()"


@pytest.fixture
def other():
    """A process that lives until it is killed, and its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_process_that_lives_has_not_ended(other):
    assert not has_ended(this_process())
    assert not has_ended(other[1])


def test_a_killed_process_has_ended_whether_or_not_it_was_waited_for(other):
    process, name = other
    process.kill()
    for _ in range(10_000_000):
        if has_ended(name):
            break
    assert process.returncode is None, "it is a zombie"
    assert has_ended(name)
    process.wait()
    assert has_ended(name)


def test_a_later_process_with_its_number_is_another():
    space, pid, began = this_process().rsplit("/", 2)
    assert has_ended(f"{space}/{pid}/{int(began) - 1}")


@pytest.mark.parametrize("changed", ["x{}", "{}x"])
def test_nothing_is_known_of_another_machine_or_container(other, changed):
    process, name = other
    process.kill()
    process.wait()
    space, pid, began = name.rsplit("/", 2)
    assert not has_ended(f"{changed.format(space)}/{pid}/{began}")


@pytest.mark.parametrize("name", ["", "x", "//", "a/b/c/d", f"{10**30}/{10**30}/1"])
def test_what_is_no_name_says_nothing(name):
    assert not has_ended(name)


@pytest.mark.parametrize("pid", ["-", "1e9", str(2**70)])
def test_nor_does_a_number_that_is_none(pid):
    space, _, began = this_process().rsplit("/", 2)
    assert not has_ended(f"{space}/{pid}/{began}")


def test_a_system_without_these_files_names_nothing(monkeypatch, tmp_path):
    name = this_process()
    monkeypatch.setattr(process_name, "_PROC", tmp_path)
    assert this_process() is None
    assert not has_ended(name)
