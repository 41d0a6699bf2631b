"""Which line of a TOML file says a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.config.origins import Origins, line_of

FILE = """\
# pacing.rate = 1
[pacing]  # how fast
rate = 1
"window" = 2

[ local.simulator ]
seed = 1
throttle = { burst = 0 }
[payload]
template = \"\"\"
rate = 5
\"\"\"
output.path = "x"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("pacing",), 2),
        (("pacing", "rate"), 3),
        (("pacing", "window"), 4),
        (("pacing", "burst"), None),
        (("local", "simulator", "seed"), 7),
        (("local", "simulator", "throttle", "burst"), 8),
        (("payload", "template"), 10),
        (("columns", "keep", 0), None),
    ],
)
def test_a_key_is_found_under_its_table(place, line):
    assert line_of(FILE, place) == line


@pytest.mark.parametrize("text", ["pacing.rate = 1\n", "pacing = { rate = 1 }\n", "[ 'pacing' ]\nrate=1\n"])
def test_a_key_is_found_however_it_is_written(text):
    assert line_of(text, ("pacing", "rate")) == len(text.splitlines())


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        (("pacing", "burst"), " (or `burst` in [pacing], job.toml:2)"),
        (("output", "overwrite"), " (or `overwrite` in [output], job.toml:14)"),
        (("endpoint", "name"), " (or `name` in [endpoint], in job.toml)"),
    ],
)
def test_a_key_that_is_not_said_is_told_where_it_could_stand(place, hint):
    origins = Origins(path=Path("job.toml"), text=FILE + "[output]\n", variables={}, flags={})
    assert origins.hint(place) == hint
    assert Origins(path=None, text="", variables={}, flags={}).hint(place) == ""
