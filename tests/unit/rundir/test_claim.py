"""One owner for one output on this machine: the lock, what a claim says, and what it leaves."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from fanout.errors import Exit, JournalError, StorageError, UsageError
from fanout.rundir import claim as claims
from fanout.rundir.claim import OutputInUse, Owner, claim_path, claimed, parse_owner, read_claim
from fanout.rundir.paths import RUNS


@pytest.fixture
def output(tmp_path):
    return str(tmp_path / "out.parquet")


@pytest.fixture
def owner(tmp_path):
    return Owner.here("abcdefghij", run_dir=tmp_path / RUNS / "abcdefghij", now=1_795_168_800.0)


def test_a_second_start_is_refused_and_told_who_has_the_output(output, owner):
    with claimed(output) as held:
        held.note(owner)
        with pytest.raises(OutputInUse) as refused, claimed(output):
            pass
    assert refused.value.exit is Exit.JOURNAL
    assert str(refused.value) == (
        f"{output} is in use by another process, run abcdefghij (process {os.getpid()} on {owner.host}, "
        "since 2026-11-20T10:00:00.000Z): wait for it, or stop it"
    )


def test_two_that_start_at_once_are_told_apart_before_either_has_said_who_it_is(output):
    starting = pytest.raises(OutputInUse, match="another process, which is just starting")
    with claimed(output), starting, claimed(output):
        pass


def test_what_has_finished_leaves_nothing(output, tmp_path, owner):
    with claimed(output) as held:
        held.note(owner)
        assert stat.S_IMODE(claim_path(output).stat().st_mode) == 0o600
        assert stat.S_IMODE(claim_path(output).parent.stat().st_mode) == 0o700
        held.drop()
    assert list(tmp_path.iterdir()) == []


def test_one_of_a_thousand_claims_does_not_take_the_room_of_the_others(output, tmp_path, owner):
    other = str(tmp_path / "other.parquet")
    with claimed(other) as held:
        held.note(owner)
        with claimed(output):
            pass
        assert read_claim(other) == owner
        assert read_claim(output) is None


def test_what_is_not_finished_is_told_to_the_next(output, owner):
    with claimed(output) as held:
        assert held.previous is None
        held.note(owner)
    assert read_claim(output) == owner
    with claimed(output) as held:
        assert held.previous == owner
    assert read_claim(output) == owner, "a start that was refused changes nothing"


def test_that_the_run_has_begun_is_told_too(output, owner):
    with claimed(output) as held:
        held.note(owner)
        anyio.run(held.begin)
    found = read_claim(output)
    assert found is not None
    assert found.begun
    assert not owner.begun


def test_a_killed_owner_is_dead_at_once_and_still_named(output):
    code = f"""
import os, signal
from pathlib import Path
from fanout.rundir.claim import Owner, claimed
with claimed({output!r}) as held:
    held.note(Owner.here("abcdefghij", run_dir=Path("/runs/one"), now=0.0))
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.stdout == "held\n", killed.stderr
    with claimed(output) as held:
        assert held.previous is not None
        assert (held.previous.run_id, held.previous.run_dir) == ("abcdefghij", "/runs/one")


@pytest.mark.parametrize("starters", [2, 3])
def test_of_starters_that_race_exactly_one_has_the_output(output, starters):
    """Also while the winner of an earlier race removes file and directories under them."""
    inside, most, won, refused = 0, 0, 0, 0
    guard, gate = threading.Lock(), threading.Barrier(starters, timeout=20.0)

    def race() -> None:
        nonlocal inside, most, won, refused
        for _ in range(100):
            gate.wait()
            try:
                with claimed(output):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                        won += 1
                    with guard:
                        inside -= 1
            except OutputInUse:
                with guard:
                    refused += 1

    threads = [threading.Thread(target=race) for _ in range(starters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert won + refused == 100 * starters
    assert won >= 100, "each race has a winner"


def test_a_claim_that_was_killed_before_it_said_anything_is_free(output):
    for nothing in (b"", b"\0" * 512):
        claim_path(output).parent.mkdir(parents=True)
        claim_path(output).write_bytes(nothing)
        with claimed(output) as held:
            assert held.previous is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is damaged"),
        (b"[1]", "is damaged"),
        (b'{"version": 1}', "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b'{"version": 2, "owner": "of another kind"}', "later version of fanout"),
    ],
)
def test_a_claim_that_cannot_be_understood_has_no_start_pay_twice(output, content, words):
    claim_path(output).parent.mkdir(parents=True)
    claim_path(output).write_bytes(content)
    with pytest.raises(JournalError, match=words) as refused, claimed(output):
        pass
    assert str(claim_path(output)) in str(refused.value)
    with pytest.raises(JournalError, match=words):
        read_claim(output)
    assert claim_path(output).read_bytes() == content
    claim_path(output).unlink()
    with claimed(output):
        pass


def test_a_claim_of_an_experiment_has_no_directory():
    owner = Owner.here("abcdefghij", run_dir=None, now=1.5)
    content = {"version": 1} | {name: getattr(owner, name) for name in owner.__slots__}
    assert parse_owner(json.dumps(content).encode(), "a claim") == owner


def test_a_place_that_takes_no_claim_is_named(output, tmp_path):
    (tmp_path / RUNS).write_bytes(b"a file")
    with pytest.raises(UsageError, match=r"cannot be made \(Not a directory\)"), claimed(output):
        pass
    (tmp_path / RUNS).unlink()
    claim_path(output).parent.mkdir(parents=True)
    claim_path(output).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"claims/out\.parquet cannot be made"), claimed(output):
        pass
    with (
        pytest.raises(UsageError, match="gone is not a directory"),
        claimed(str(tmp_path / "gone" / "o.parquet")),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_claim_that_may_not_be_opened_is_named(output):
    claim_path(output).parent.mkdir(parents=True)
    claim_path(output).touch(mode=0o000)
    with pytest.raises(UsageError, match="Permission denied"), claimed(output):
        pass


def failing(monkeypatch, name, number):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(claims.os if name != "flock" else claims.fcntl, name, fail)


def test_a_file_system_without_locks_is_refused_and_says_why(monkeypatch, output):
    failing(monkeypatch, "flock", 37)  # ENOLCK
    with pytest.raises(StorageError, match="knows no locks, which keep two runs"), claimed(output):
        pass


@pytest.mark.parametrize(("number", "words"), [(13, "Permission denied"), (30, "Read-only file system")])
def test_a_read_only_place_is_refused(monkeypatch, output, number, words):
    failing(monkeypatch, "open", number)
    with pytest.raises((UsageError, StorageError), match=words), claimed(output):
        pass


def test_a_full_disk_stops_the_start_and_leaves_the_output_free(monkeypatch, output, owner):
    with monkeypatch.context() as patched:
        failing(patched, "fsync", 28)
        with pytest.raises(StorageError, match="No space left"), claimed(output) as held:
            held.note(owner)
    with claimed(output) as held:
        held.note(owner)


def test_a_claim_that_cannot_be_removed_is_in_no_way(monkeypatch, output, owner):
    def refuse(_path, **_more):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with claimed(output) as held:
            held.note(owner)
            held.drop()
    with claimed(output) as held:
        assert held.previous == owner, "which `commands.earlier_run` finds finished"
