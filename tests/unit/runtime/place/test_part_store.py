"""Parts go to S3 whole, under a name that no other owner uses, and come back as they were."""

from __future__ import annotations

import pytest
from support.segments import BUSY, DENIED, LOST, PLACE, PlaceAccount
from support.virtual import run_virtual

from fanout.errors import Exit, JournalError, StateLost
from fanout.output.parts import Part
from fanout.runtime.place.part_store import PartStore


async def at_once(call):
    return call()


def part_of(directory, number, content):
    path = directory / f"part-{number:05d}.parquet"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return Part(path, number, 2, 0, 1, len(content))


def test_another_process_gets_what_was_stored(tmp_path):
    async def main():
        account = PlaceAccount()
        store = account.store()
        parts = PartStore(store, PLACE, clock=account.clock, run_blocking=at_once)
        here = [part_of(tmp_path / "a", number, bytes([number]) * 100) for number in range(12)]
        store.before["put"], store.after["put"] = [BUSY], [LOST]
        stored = {part.number: await parts.put(part, claim=7) for part in here}
        assert stored[3].name == "0000000007/part-00003.parquet"
        there = [Part(tmp_path / "b" / part.path.name, part.number, 2, 0, 1, 100) for part in here]
        (tmp_path / "b").mkdir()
        there[5].path.write_bytes(b"it is here")
        await parts.fetch(there, stored)
        contents = [part.path.read_bytes() for part in there]
        assert contents[5] == b"it is here"
        assert contents[:5] + contents[6:] == [bytes([number]) * 100 for number in range(12) if number != 5]

    run_virtual(main)


@pytest.mark.parametrize(("left", "said"), [(None, "is missing"), (b"short", "has 5 of 100 bytes")])
def test_a_part_that_is_not_what_was_stored_is_noticed(tmp_path, left, said):
    async def main():
        account = PlaceAccount()
        parts = PartStore(account.store(), PLACE, clock=account.clock, run_blocking=at_once)
        part = part_of(tmp_path / "a", 0, b"x" * 100)
        stored = {0: await parts.put(part, claim=1)}
        part.path.unlink()
        location = PLACE.part(stored[0].name)
        if left is None:
            account.world.objects.delete(*location)
        else:
            account.put(location, left)
        with pytest.raises(JournalError, match=f"part-00000.parquet {said}: put it back"):
            await parts.fetch([part], stored)

    run_virtual(main)


@pytest.mark.parametrize(("error", "code"), [(LOST, Exit.INTERRUPTED), (DENIED, Exit.PRECONDITION)])
def test_patience_ends(tmp_path, error, code):
    async def main():
        account = PlaceAccount()
        store = account.store()
        store.before["put"] = [error] * 1000
        parts = PartStore(store, PLACE, clock=account.clock, run_blocking=at_once)
        with pytest.raises(StateLost) as caught:
            await parts.put(part_of(tmp_path / "a", 0, b"x"), claim=1)
        assert caught.value.exit == code

    run_virtual(main)
