"""Starts one line several times: at once, and again after it was killed.

    python tests/crash/same_line.py --races 100 --starters 2 3 --kills 100 --seed 1 [--rows 40] [--s3] [--client wire]

Exactly one of the starters that race may run, the others exit 5, and the endpoint accepts each row once. A line with
`--resume` that was killed at random, from its first millisecond on, is started again until it has ended: its output
is right, and the endpoint accepts no more than the rows and the re-sends that were counted. Leaves with 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest's `pythonpath` does

from support.audit import audit
from support.cli import LocalAws, local_aws
from support.outputs_in_s3 import download, in_s3
from support.processes import KILLED, OUTPUT, QUICK, Exited, Input, Running, make_input

MAX_PROCESSES = 12  # of one line: none is killed more than three times


@dataclass
class Found:
    """What came of lines that were started several times."""

    exits: Counter[int] = field(default_factory=Counter)
    killed: int = 0
    complaints: list[str] = field(default_factory=list)


def line(given: Input, aws: LocalAws, output: str, *more: object) -> tuple[object, ...]:
    """Return the arguments of one line."""
    return (
        "run", given.path, "--endpoint", aws.endpoint, "-o", output, "--id-column", "id", "-q", *more,
    )  # fmt: skip


def races(
    aws: LocalAws, directory: Path, given: Input, *, number: int, starters: int, output: str, **variables: str
) -> Found:
    """Start one line `starters` times at once, `number` times over."""
    found = Found()
    for turn in range(number):
        place, uri = _place(directory, f"race-{starters}-{turn}", output)
        before = len(aws.log())
        # Slow enough that the last starter finds the first still at work.
        command = line(given, aws, uri, "--rate", "20")
        running = [Running(*command, aws=aws, directory=place, **variables) for _ in range(starters)]
        exits = [process.wait() for process in running]
        codes = sorted(exited.code for exited in exits)
        found.exits.update(codes)
        try:
            assert codes == [0] + [5] * (starters - 1), [exited.stderr for exited in exits]
            assert len(aws.log()) - before == len(given.payloads), "a row was accepted twice"
            _audit(aws, place, given, uri, exits[[exited.code for exited in exits].index(0)])
        except AssertionError as error:
            found.complaints.append(f"race {turn}: {error}")
    return found


def kills(
    aws: LocalAws,
    directory: Path,
    given: Input,
    *,
    number: int,
    draw: random.Random,
    output: str,
    takes_s: float = 1.5,
    **variables: str,
) -> Found:
    """Kill one line at random until `number` kills have hit, each followed by the same line."""
    found, turn = Found(), 0
    while found.killed < number:
        place, uri = _place(directory, f"kill-{turn}", output)
        turn += 1
        exits: list[Exited] = []
        while not exits or exits[-1].code == KILLED:
            running = Running(*line(given, aws, uri, "--resume"), aws=aws, directory=place, **variables)
            kill = len(exits) < 3 and found.killed < number
            exits.append(running.kill_after(draw.uniform(0.001, takes_s)) if kill else running.wait())
            found.killed += exits[-1].code == KILLED
        found.exits.update(exited.code for exited in exits)
        try:
            assert exits[-1].code == 0, exits[-1].stderr
            _audit(aws, place, given, uri, exits[-1])
        except AssertionError as error:
            found.complaints.append(f"line {turn - 1}: {error}")
    return found


def _place(directory: Path, name: str, output: str) -> tuple[Path, str]:
    place = directory / name
    place.mkdir()
    return place, OUTPUT if output == OUTPUT else output.replace("NAME", f"{directory.name}-{name}")


def _audit(aws: LocalAws, place: Path, given: Input, output: str, exited: Exited) -> None:
    if output != OUTPUT:
        download(aws, output, place / OUTPUT)
    run = (pq.read_schema(place / OUTPUT).metadata or {})[b"fanout:run"].decode()
    audit(pq.read_table(place / OUTPUT), given.payloads, accepted=aws.of(run), exit_code=exited.code)
    left = [path.name for path in (place / ".fanout").iterdir() if (path / "run.json").exists()]
    assert left == [run], f"another run has begun: {left}"
    assert not (place / ".fanout" / "claims").exists(), "a claim is left"


def say(what: str, found: Found) -> None:
    """Print a line of what was found."""
    sys.stdout.write(f"{what}: exits {dict(sorted(found.exits.items()))}, {len(found.complaints)} broken\n")
    sys.stdout.flush()


def main() -> int:
    """Print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--starters", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--client", default="wire", choices=["wire", "aiobotocore"])
    given = parser.parse_args()
    variables = {"FANOUT_TRANSPORT_CLIENT": given.client}
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as made, local_aws(*QUICK) as aws:
        directory = Path(made)
        rows = make_input(directory / "in.jsonl", given.rows, seed=given.seed)
        output = in_s3(aws, "NAME") if given.s3 else OUTPUT
        for starters in given.starters if given.races else []:
            found = races(
                aws, directory, rows, number=given.races, starters=starters, output=output, **variables
            )
            say(f"{given.races} races of {starters}", found)
            complaints += found.complaints
        if given.kills:
            draw = random.Random(given.seed)
            found = kills(aws, directory, rows, number=given.kills, draw=draw, output=output, **variables)
            say(f"{found.killed} kills", found)
            complaints += found.complaints
    for complaint in complaints:
        sys.stdout.write(f"{complaint}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
