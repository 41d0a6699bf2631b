"""The house's rules, read from the code: imports go down only, and one file of the engine starts tasks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fanout

HOUSE = Path(fanout.__file__).parent

# Rooms from the ground up: a module may import from its own floor's listed neighbours and from any floor below.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "errors",
            "identity",
            "alarm",
            "wakeup",
            "oneshot",
            "lane",
            "budget",
            "offload",
            "memory",
            "failpoints",
            "wal",
            "__init__",
        }
    ),
    frozenset({"records"}),
    frozenset(
        {
            "ports",
            "schema",
            "route",
            "tally",
            "notifications",
            "remedies",
            "layout",
            "sweep",
            "prices",
            "entry",
            "stop",
        }
    ),
    frozenset({"clock", "logs", "config", "pacing", "retry", "journal", "output", "source"}),
    frozenset({"deadlines", "ledger", "recover", "evidence", "endpoint", "mailbox"}),
    frozenset({"scribe", "search"}),
    frozenset({"intake", "intend", "upload", "invoke", "collect", "reconcile", "fetch", "sink", "ack"}),
    frozenset({"job"}),
    frozenset({"stages"}),
    frozenset({"pipeline"}),
    frozenset({"aws", "wire", "simulator", "progress", "summary", "table", "metrics", "heartbeat"}),
    frozenset({"local", "rundir", "compose", "input", "subset"}),
    frozenset({"subtotal", "share", "sums"}),
    frozenset({"rebuild", "standing", "standing_text", "export"}),
    frozenset({"watch", "conclude", "leash", "relay"}),
    frozenset({"fleet"}),
    frozenset({"conductor"}),
    frozenset({"runs"}),
    frozenset({"start", "bench", "report", "distributed"}),
    frozenset({"shard"}),
    frozenset({"cli"}),
)
STAGES = frozenset({"intake", "intend", "upload", "invoke", "collect", "reconcile", "fetch", "sink", "ack"})
STARTERS = frozenset(
    {"pipeline", "watch", "fleet", "bench", "aws", "wire", "simulator"}
)  # watch, fleet, bench: beside the engine; the rest: the edge


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Rooms of the house that the module imports, at any place in it, but for what only a type checker reads."""
    found = set()
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "fanout":
            found |= {
                name.name if (HOUSE / f"{name.name}.py").exists() else "__init__" for name in node.names
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fanout."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("fanout.")}
    return found


MODULES = sorted(HOUSE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_down(path):
    floors = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    own = room(path)
    assert own in floors, f"{own} has no floor: give it one in FLOORS"
    for other in imports(path) - {own}:
        assert other in floors, f"{path} imports {other}, which has no floor"
        allowed = floors[other] <= floors[own]
        assert allowed, f"{own} imports {other}, which stands above it"


def test_no_stage_imports_another():
    for path in MODULES:
        if room(path) in STAGES:
            assert not (imports(path) & STAGES) - {room(path)}, path


def test_one_file_of_the_engine_starts_tasks():
    for path in MODULES:
        if "create_task_group" in path.read_text() and room(path) not in STARTERS:
            pytest.fail(f"{path} starts tasks")


def test_the_engine_knows_no_event_loop():
    """But for one file, which makes waiting cheap on the one that every run uses, and works on any."""
    for path in MODULES:
        if room(path) not in {"aws", "wire", "simulator", "oneshot"}:
            names = {
                name.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import)
                for name in node.names
            }
            assert not names & {"asyncio", "aiobotocore", "aiohttp", "trio"}, path
