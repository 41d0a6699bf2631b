"""Plants eight bugs of the specification and one of an attack, one at a time, and sees whether a test fails.

    python tests/crash/mutation_check.py [--only NAME]

A bug is an exact replacement of text: it fails loudly when the text is no longer there. A test counts only if it
passes without the bug. Prints a table in Markdown and leaves with 1 unless all bugs were caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 100


@dataclass(frozen=True)
class Change:
    """One replacement; `old` must stand in the file exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """A bug, and the test that must fail because of it."""

    name: str
    test: str
    changes: tuple[Change, ...]


BUGS = (
    Bug(
        "skip the intent",
        "tests/crash/test_campaign.py::test_what_the_endpoint_took_is_found_and_not_sent_again",
        (Change("engine/stages/record_intent.py", "        await journal.intend(due)\n", ""),),
    ),
    Bug(
        "delete before commit",
        "tests/simulation/test_messages.py::test_no_message_is_deleted_before_its_row_is_durable",
        (
            Change(
                "engine/outcomes.py",
                '        await self._journal.part(part, numbers)\n        failpoint("part.committed")\n',
                "",
            ),
            Change(
                "engine/outcomes.py",
                "            await self._clock.sleep(0.0)\n",
                "            await self._clock.sleep(0.0)\n"
                "        await self._clock.sleep(0.1)\n"
                "        await self._journal.part(part, numbers)\n",
            ),
        ),
    ),
    Bug(
        "SDK retries on",
        "tests/unit/aws/sdk/test_transport_facts.py::"
        "test_what_breaks_after_connecting_leaves_it_open_whether_the_row_was_taken",
        (Change("aws/clients.py", '"total_max_attempts": 1', '"total_max_attempts": 5'),),
    ),
    Bug(
        "no deduplication",
        "tests/simulation/test_messages.py::test_a_row_that_is_announced_again_while_it_is_fetched_is_one_row",
        (
            Change(
                "engine/open_rows.py",
                "            return Claim.PENDING\n        row.notice = notice\n",
                "            return Claim.WON\n        row.notice = notice\n",
            ),
        ),
    ),
    Bug(
        "no reconciler",
        "tests/simulation/test_engine.py::test_lost_notifications_cost_time_not_rows",
        (
            Change(
                "engine/pipeline.py",
                "        await self._wiring.reconciler.worker()\n",
                "        await anyio.sleep_forever()\n",
            ),
        ),
    ),
    Bug(
        "wrong rename order",
        "tests/crash/test_campaign.py::test_one_run_is_killed_at_one_point_after_the_other[collecting]",
        (
            Change("output/parts.py", "        publish(draft, path)\n", "        pass\n"),
            Change("output/parts.py", "        draft.unlink(missing_ok=True)\n", "        pass\n"),
            Change(
                "engine/outcomes.py",
                '        failpoint("part.committed")\n',
                '        failpoint("part.committed")\n'
                '        part.path.with_name(f"{part.path.name}.tmp").rename(part.path)\n',
            ),
        ),
    ),
    Bug(
        "trust a message's location",
        "tests/simulation/test_messages.py::test_a_location_in_a_message_is_never_followed",
        (
            Change(
                "engine/stages/fetch.py",
                "places.outputs, places.output(row), looks=_looks(row))",
                "places.outputs, Location.parse(notice.output_location or '') or places.output(row), "
                "looks=_looks(row))",
            ),
        ),
    ),
    Bug(
        "believe a message",
        "tests/unit/engine/stages/test_fetch.py::test_what_s3_does_not_confirm_ends_no_row_and_sends_none_again",
        (Change("engine/stages/fetch.py", "        elif self._trust:\n", "        elif True:\n"),),
    ),
    Bug(
        "treat unknown as new",
        "tests/crash/test_campaign.py::test_what_the_endpoint_took_is_found_and_not_sent_again",
        (
            Change(
                "engine/open_row.py",
                "        if line.state == RowState.READY:\n            return\n",
                "        if line.state != RowState.ACCEPTED:\n            return\n",
            ),
        ),
    ),
)


class StaleError(Exception):
    """The text that a bug replaces is not in the source."""


def copy(directory: Path) -> None:
    """Copy what the tests need into `directory`."""
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in ("fanout", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", directory)


def plant(bug: Bug, package: Path) -> None:
    """Put the bug into the package in `package`.

    Raises:
        StaleError: The source has changed: the bug must be written anew.
    """
    for change in bug.changes:
        path = package / change.file
        text = path.read_text()
        if text.count(change.old) != 1:
            raise StaleError(
                f"{bug.name}: {change.file} has this text {text.count(change.old)} times:\n{change.old}"
            )
        path.write_text(text.replace(change.old, change.new))


def passes(test: str, directory: Path) -> bool:
    """Run `test` on the package in `directory`, in processes that see no other; return whether it passed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", test, "-m", "", "-n", "0", "-p", "no:cacheprovider", "-x", "-q"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{test} was not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def is_caught(bug: Bug) -> tuple[bool, float]:
    """Return whether the bug's test fails because of it, and how many seconds that took."""
    with tempfile.TemporaryDirectory(prefix="fanout-plant-") as name:
        directory = Path(name)
        copy(directory)
        if not passes(bug.test, directory):
            raise RuntimeError(f"{bug.test} fails without the bug: it proves nothing")
        plant(bug, directory / "fanout")
        started = time.monotonic()
        return not passes(bug.test, directory), time.monotonic() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=[bug.name for bug in BUGS])
    options = parser.parse_args(arguments)
    bugs = [bug for bug in BUGS if options.only in {None, bug.name}]
    caught = 0
    sys.stdout.write("| bug | caught by | seconds | |\n|---|---|---:|---|\n")
    for bug in bugs:
        found, seconds = is_caught(bug)
        caught += found
        verdict = "caught" if found else "NOT CAUGHT"
        sys.stdout.write(
            f"| {bug.name} | `{bug.test.removeprefix('tests/')}` | {seconds:.1f} | {verdict} |\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"\n{caught} of {len(bugs)} caught\n")
    return 0 if caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
