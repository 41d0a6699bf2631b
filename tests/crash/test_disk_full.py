"""A full disk, in the journal, in a part and in the merge: exit 6 with a sentence, and a resume once there is room.

The kernel's limit on the size of a file stands in for the disk: a write past it fails like one on a full disk.
"""

from __future__ import annotations

import random
import resource

import orjson
import pytest
from support.leftovers import leftovers
from support.processes import RESUME, Input, Running, fanout, finished, make_input, run_command, sent

MIB = 1 << 20


def limited(*command, aws, directory, limit_bytes, **variables):
    """Run a command that may write no file beyond `limit_bytes`."""
    running = Running(*command, aws=aws, directory=directory, **variables)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    return running.wait()


def bulky_input(path, rows):
    """Rows of 100 KB that do not compress: with the text kept, parts and output grow by half of that a row."""
    rng = random.Random(1)
    payloads = [orjson.dumps({"id": f"id-{row}", "text": rng.randbytes(50_000).hex()}) for row in range(rows)]
    path.write_bytes(b"\n".join(payloads) + b"\n")
    return Input(path, payloads)


def stopped_by(exited, what):
    assert exited.code == 6, exited.stderr
    assert what in exited.stderr
    assert "then `fanout resume`" in exited.stderr
    assert exited.stderr.count("\n") == 1, exited.stderr


def test_in_the_journal(aws, tmp_path):
    given = make_input(tmp_path / "in.jsonl", 1_000, seed=1, large_share=0.0)
    exited = limited(*run_command(given, aws), aws=aws, directory=tmp_path, limit_bytes=100_000)
    stopped_by(exited, "journal.sqlite")
    assert 0 < len(sent(aws, tmp_path)) < 1_000
    finished(given, aws, tmp_path, fanout(*RESUME, aws=aws, directory=tmp_path))


def test_in_a_part(aws, tmp_path):
    given = bulky_input(tmp_path / "in.jsonl", 40)
    command = run_command(given, aws, "--keep", "text")
    slow = {"FANOUT_OUTPUT_PART_S": "5", "FANOUT_OUTPUT_PART_ROWS": "40"}  # all of them in one part of 2 MB
    exited = limited(*command, aws=aws, directory=tmp_path, limit_bytes=MIB, **slow)
    stopped_by(exited, "part-00000.parquet")
    assert not list((tmp_path / "rd" / "parts").iterdir()), "nothing half written is left"
    assert leftovers(tmp_path / "rd").durable == 0
    table = finished(given, aws, tmp_path, fanout(*RESUME, aws=aws, directory=tmp_path))
    assert len(sent(aws, tmp_path)) == 40
    assert sum(table["resends"].to_pylist()) == 0


@pytest.mark.parametrize("output", ["out.parquet", "out/"])
def test_in_the_merge(aws, tmp_path, output):
    given = bulky_input(tmp_path / "in.jsonl", 40)
    command = run_command(given, aws, "--keep", "text", "-o", output)
    exited = limited(
        *command,
        aws=aws,
        directory=tmp_path,
        limit_bytes=MIB,
        FANOUT_OUTPUT_PART_ROWS="8",
        FANOUT_COLLECT_FETCHES="2",  # a slow disk finds at most two parts and these two rows in the buffer
    )  # parts of 0.4 to 0.9 MB, an output of 2 MB
    stopped_by(exited, "output")
    assert leftovers(tmp_path / "rd").durable == 40
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"in.jsonl", "rd", ".fanout"}, "the output is absent, and so is what was written of it"
    claim = [path.relative_to(tmp_path / ".fanout") for path in (tmp_path / ".fanout").rglob("*")]
    assert [str(path) for path in claim] == ["claims", f"claims/{output.rstrip('/')}"], "by which it is found"
    requests = aws.stats()["requests"]["InvokeEndpointAsync"]
    exited = fanout(*RESUME, aws=aws, directory=tmp_path)
    assert aws.stats()["requests"]["InvokeEndpointAsync"] == requests
    if output == "out.parquet":
        finished(given, aws, tmp_path, exited)
    else:
        assert exited.code == 0, exited.stderr
        assert (tmp_path / "out" / "part-00000.parquet").exists()
