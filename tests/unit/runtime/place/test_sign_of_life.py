"""Whether a process is at a place: it writes while we watch, was silent for long, has closed, or has ended here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import anyio
import pytest
from support.segments import PLACE, PlaceAccount
from support.virtual import run_virtual

from fanout.errors import Exit
from fanout.runtime.place.segment import Purpose
from fanout.runtime.place.sign_of_life import (
    BEAT_S,
    SILENT_S,
    WATCH_S,
    PlaceInUse,
    PlaceOwner,
    last_write,
    until_silent,
)

ELSEWHERE = PlaceOwner("", "other-host", 4711, "its-boot/pid:[1]/4711/12", "2026-01-01T00:00:00Z")


async def owned(account, owner=ELSEWHERE):
    """Return the log of a process at the place, of which `status.json` tells."""
    log = account.log()
    await log.claim(begins=True)
    account.put(PLACE.status, replace(owner, token=log.owner).within({"version": 1}))
    return log


def ended_process():
    """Return the name of a process of this machine that has ended."""
    says = "from fanout.concurrency.process_name import this_process; print(this_process())"
    return subprocess.run(
        [sys.executable, "-c", says], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def test_an_owner_that_writes_while_we_watch_is_named():
    async def main():
        account = PlaceAccount()
        log = await owned(account)
        async with anyio.create_task_group() as tasks:

            async def lives():
                while True:
                    await account.clock.sleep(BEAT_S)
                    await log.renew(BEAT_S / 2)

            tasks.start_soon(lives)
            with pytest.raises(
                PlaceInUse,
                match=r"runs/one is in use by process 4711 on other-host, since 2026-01-01T00:00:00Z: wait",
            ) as caught:
                await until_silent(account.cloud.objects, PLACE, clock=account.clock)
            tasks.cancel_scope.cancel()
        assert caught.value.exit == Exit.JOURNAL
        assert BEAT_S <= account.clock.now() <= BEAT_S + WATCH_S

    run_virtual(main)


def test_one_that_is_silent_is_waited_for(caplog):
    async def main():
        account = PlaceAccount()
        await owned(account)
        await account.clock.sleep(10.0)
        await until_silent(account.cloud.objects, PLACE, clock=account.clock)
        assert SILENT_S <= account.clock.now() <= SILENT_S + WATCH_S
        (said,) = [record.getMessage() for record in caplog.records if "goes on once" in record.getMessage()]
        assert "was in use 10 s ago, by process 4711 on other-host" in said
        before = account.clock.now()
        await until_silent(account.cloud.objects, PLACE, clock=account.clock)
        assert account.clock.now() == before, "it has been silent for long enough"

    run_virtual(main)


def test_one_that_has_closed_is_gone_at_once():
    async def main():
        account = PlaceAccount()
        log = await owned(account)
        await log.append(purpose=Purpose.CLOSE)
        await until_silent(account.cloud.objects, PLACE, clock=account.clock)
        assert account.clock.now() == 0.0

    run_virtual(main)


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_one_that_has_ended_on_this_machine_is_gone_at_once():
    ended = replace(ELSEWHERE, process=ended_process())

    async def main():
        account = PlaceAccount()
        await owned(account, ended)
        await until_silent(account.cloud.objects, PLACE, clock=account.clock)
        assert account.clock.now() == 0.0
        # It was the owner before: of who has claimed the run since, `status.json` does not tell yet.
        await account.log().claim(begins=False)
        seen = await last_write(account.cloud.objects, PLACE, clock=account.clock)
        assert (seen.is_silent, seen.owner) == (False, None)

    run_virtual(main)


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_one_that_has_just_claimed_the_run_says_who_it_is_by_that():
    ended = replace(ELSEWHERE, process=ended_process())

    async def main():
        account = PlaceAccount()
        log = account.log()
        log._about = ended.about()
        await log.claim(begins=True)
        seen = await last_write(account.cloud.objects, PLACE, clock=account.clock)
        assert (seen.owner, seen.is_silent) == (replace(ended, token=log.owner), True)
        await log.append()  # a segment that claims nothing names no process
        seen = await last_write(account.cloud.objects, PLACE, clock=account.clock)
        assert (seen.owner, seen.is_silent) == (None, False)

    run_virtual(main)


@pytest.mark.parametrize(
    "status", [b"", b"{}", b"[]", b'{"owner": 7}', b'{"owner": {"token": "x"}}', b"\xff"]
)
def test_a_status_that_says_nothing_is_no_owner(status):
    async def main():
        account = PlaceAccount()
        await account.log().claim(begins=True)
        account.put(PLACE.status, status)
        seen = await last_write(account.cloud.objects, PLACE, clock=account.clock)
        assert (seen.owner, seen.is_silent, seen.age_s) == (None, False, 0.0)

    run_virtual(main)


def test_where_nothing_was_written_nothing_is_waited_for():
    async def main():
        account = PlaceAccount()
        assert await last_write(account.cloud.objects, PLACE, clock=account.clock) is None
        await until_silent(account.cloud.objects, PLACE, clock=account.clock)
        assert account.clock.now() == 0.0

    run_virtual(main)


def test_what_the_status_says_stays_in_it():
    told = json.loads(ELSEWHERE.within({"version": 1, "state": "running"}))
    assert (told["version"], told["state"], told["owner"]["pid"]) == (1, "running", 4711)
