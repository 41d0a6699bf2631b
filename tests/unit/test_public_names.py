"""The public names: taking one costs little, none is ever a module, and a look at a run loads nothing of the engine."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.cli import fanout as command

import fanout

HEAVY = ("rich", "prometheus_client", "pyarrow", "aiobotocore", "fanout.engine", "fanout.simulator")
LOADED = (
    "import sys\n"
    f"heavy = [n for n in sys.modules for h in {HEAVY!r} if n == h or n.startswith(h + '.')]\n"
    "assert not heavy, sorted(heavy)\n"
)


def python(*arguments, cwd=None):
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_a_public_name_costs_little():
    """One after the other: what one has loaded would be there for the next."""
    looked = "".join(f"fanout.{name}\n{LOADED}" for name in ["__doc__", *fanout.__all__])
    python("-c", f"import fanout\n{looked}")


def test_all_public_names_together_cost_little():
    python("-c", f"from fanout import *\n{LOADED}")


def test_a_public_name_never_turns_into_a_module():
    """Importing `fanout.x` sets the attribute `x` of the package: no public name may be that of a submodule."""
    python("-c", (
        "import importlib, pkgutil, types, fanout\n"
        "before = {name: getattr(fanout, name) for name in fanout.__all__}\n"
        "for each in pkgutil.walk_packages(fanout.__path__, 'fanout.'):\n"
        "    if not each.name.endswith('__main__'):\n"
        "        importlib.import_module(each.name)\n"
        "assert len(before) > 10, before\n"
        "for name, value in before.items():\n"
        "    assert getattr(fanout, name) is value, name\n"
        "    assert not isinstance(value, types.ModuleType), name\n"
    ))  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory with the output of a run in it, and that run's directory."""
    here = tmp_path_factory.mktemp("run")
    (here / "in.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    assert command("run", "in.jsonl", "--local", "-o", "out.parquet", "-q", cwd=here).returncode == 0
    (run,) = (here / ".fanout").iterdir()
    return here, run


def test_a_look_at_a_run_loads_nothing_of_the_engine(finished):
    here, run = finished
    code = "import fanout.cli\n"
    for arguments in (["runs", str(here)], ["status", str(run)]):
        for form in ([], ["--json"]):
            code += (
                "try:\n"
                f"    fanout.cli.main({[*arguments, *form]!r})\n"
                "except SystemExit as left:\n"
                "    assert left.code == 0, left.code\n"
                f"print()\nprint('--')\n{LOADED}"
            )
    said = python("-c", code).stdout.split("\n--\n")
    assert ["finished" in each for each in said] == [True] * 4 + [False]


def test_a_run_without_a_table_needs_neither_rich_nor_botocore_nor_numpy(finished):
    here, _ = finished
    code = (
        "import fanout.cli, sys\n"
        "try:\n"
        "    fanout.cli.main(['run', 'in.jsonl', '--local', '-o', 'again.parquet', '-q'])\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0, left.code\n"
        "unwanted = {'rich', 'prometheus_client', 'botocore', 'aiobotocore', 'aiohttp', 'numpy'}\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & unwanted))\n"
    )
    assert python("-c", code, cwd=here).stdout == "[]\n"
