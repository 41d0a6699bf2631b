"""Runs whose state is kept in S3, against an account in memory: a line of the command, and what is seen of its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.cli import write_jsonl
from support.in_memory import Account

from fanout.commands.new_run import start_run
from fanout.config.model import Config
from fanout.errors import TooManyFailures
from fanout.output.object_place import object_place
from fanout.rundir.claim import Owner, claim_path, read_claim
from fanout.rundir.summary import Summary
from fanout.runtime.claim_note import Note, parse_note
from fanout.runtime.claim_object import claim_location
from fanout.runtime.place.run_place import RunPlace, run_place

ROWS = 10
BUCKET = "simulated"


class KeptInS3:
    """An output, here or in S3, whose run is kept in S3.

    Args:
        account: The account.
        folder: Of the input, and of an output that is here.
        output: `here` or `s3`.
        named: `--run-dir`: of one run, or of many with a slash at its end.
    """

    def __init__(self, account: Account, folder: Path, *, output: str = "here", named: str = "runs/") -> None:
        self.account, self.folder = account, folder
        self.remote = output == "s3"
        self.output = f"s3://{BUCKET}/out.parquet" if self.remote else str(folder / "out.parquet")
        self.named = f"s3://{BUCKET}/{named}"
        self.claim = claim_location(object_place(self.output)) if self.remote else claim_path(self.output)
        write_jsonl(folder / "in.jsonl", [{"n": n} for n in range(ROWS)])

    def line(self, *, resume=False, overwrite=False, rate=None, **run) -> Config:
        return Config.model_validate(
            {
                "endpoint": {"name": "simulated"},
                "input": {"paths": [str(self.folder / "in.jsonl")]},
                "output": {"path": self.output, "overwrite": overwrite},
                "pacing": {"rate": rate},
                # What a run that stopped may have sent is waited for as long as other rows took, which is not known.
                "collect": {"unknown_wait_s": 0.1},
                "run": {"resume": resume, "dir": self.named, "scratch": str(self.folder / "scratch"), **run},
            }
        )

    def start(self, **more) -> Summary:
        async def main():
            return await start_run(self.line(**more))

        return anyio.run(main)

    def spoil(self) -> None:
        """Have the input end in rows that are none, of which a run with `max_failures=0` stops."""
        with (self.folder / "in.jsonl").open("a") as file:
            file.write("not JSON\n" * 2)

    def leave_unfinished(self, **run) -> RunPlace:
        """Leave a run that has sent rows and not finished; return its place."""
        self.spoil()
        with pytest.raises(TooManyFailures):
            self.start(max_failures=0, **run)
        owner = self.owner()
        assert owner is not None
        assert owner.begun
        return run_place(owner.run_dir or "")

    def kill(self, *, ago_s: float = 3_600.0) -> None:
        """Have it look as if the owner had been killed so long ago: nothing was closed, and the claim is held."""
        world = self.account.world
        at = self.account.clock.now() - ago_s
        if self.remote:
            note = parse_note(world.objects.find(*self.claim).body, "claim")
            body = Note(note.owner, note.token, "held", note.renewals + 1).encode()
            world.objects.put(*self.claim, body, content_type=None, now=at)
        self.age(ago_s)

    def age(self, ago_s: float) -> None:
        """Have what stands at the place have been written so long ago."""
        at = self.account.clock.now() - ago_s
        for key, body in list(self.objects()):
            self.account.world.objects.put(BUCKET, key, body, content_type=None, now=at)

    def owner(self) -> Owner | None:
        if not self.remote:
            return read_claim(self.output)
        return parse_note(self.account.world.objects.find(*self.claim).body, "claim").owner

    @property
    def claimed(self) -> bool:
        if not self.remote:
            return self.claim.exists()
        return self.account.world.objects.find(*self.claim) is not None

    @property
    def accepted(self) -> int:
        return len(self.account.world.log)

    def rows(self) -> int:
        if not self.remote:
            return pq.read_metadata(self.output).num_rows
        body = self.account.world.objects.find(BUCKET, "out.parquet").body
        return pq.read_metadata(pa.BufferReader(body)).num_rows

    def objects(self, prefix: str = "runs/") -> Iterator[tuple[str, bytes]]:
        """Yield key and content of what stands below the place."""
        objects = self.account.world.objects
        for key, _ in objects.list(BUCKET, prefix).entries:
            yield key, objects.find(BUCKET, key).body

    def stored(self, prefix: str = "runs/") -> list[str]:
        return [key for key, _ in self.objects(prefix)]
