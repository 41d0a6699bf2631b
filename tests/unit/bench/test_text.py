"""What a person reads of an experiment: nothing in it is taken for a command of the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from fanout.analysis.failures import Failed, Failures
from fanout.bench.document import Result
from fanout.bench.text import print_result

EVIL = "\x1b[2J\x9b\u202e[red]x"


def test_no_name_and_no_code_commands_the_terminal():
    ran = SimpleNamespace(
        seconds=1.0, endpoint=f"e{EVIL}", simulated=False, output=Path(f"out{EVIL}"), stopped="", skipped={EVIL: 1},
        errors={f"Code{EVIL}": 2},
    )  # fmt: skip
    verdict = SimpleNamespace(limit=None, reasons=(), warnings=(EVIL,))
    result = Result(
        ran=ran,
        verdict=verdict,
        comparison=None,
        savings=None,
        pairs=0,
        incomplete=2,
        failures=Failures(Failed(2, 0), Failed(1, 0), Failed(1, 0)),
        notes=(EVIL,),
    )
    buffer = io.StringIO()
    print_result(result, Console(file=buffer, width=200), document=Path(EVIL))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", buffer.getvalue())
    assert buffer.getvalue().count(r"\x1b[2J\x9b\u202e[red]x") == 7
