"""Which line of a TOML file says a key."""

from __future__ import annotations

import pytest

from fanout.config.origins import line_of

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
