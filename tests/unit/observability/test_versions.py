from __future__ import annotations

import re
import tomllib
from pathlib import Path

import fanout
from fanout.observability.versions import LIBRARIES, versions


def test_the_versions_begin_with_the_program_s_own():
    found = versions()
    assert list(found)[:2] == ["fanout", "python"]
    assert found["fanout"] == fanout.__version__
    assert re.fullmatch(r"\d[\w.+]*", found["pyarrow"])


def test_each_dependency_is_told():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["report"]]
    assert {re.match(r"[\w-]+", each)[0] for each in named} == set(LIBRARIES)
