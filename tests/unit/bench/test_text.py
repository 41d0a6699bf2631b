"""What a person reads of an experiment: nothing in it is taken for a command of the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from fanout.analysis.checks import Check
from fanout.analysis.failures import Failed, Failures
from fanout.bench.document import Result
from fanout.bench.text import print_failures, print_result

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


def test_what_is_left_of_a_quiet_experiment_is_why_it_failed():
    verdict = SimpleNamespace(limit="client", reasons=("half of them left late",), warnings=())
    result = Result(
        ran=SimpleNamespace(),
        verdict=verdict,
        comparison=None,
        savings=None,
        pairs=0,
        incomplete=0,
        failures=Failures(Failed(2, 0), Failed(1, 0), Failed(1, 0)),
        checks=[
            Check("total.p99 > 1s", holds=True, found="s3 1,200.0 ms, bound 1,000.0 ms"),
            Check("failures > 1%", holds=False, found="0 of 2 requests (0.0%) failed"),
        ],
    )
    buffer = io.StringIO()
    print_failures(result, Console(file=buffer, width=200))
    assert buffer.getvalue().splitlines() == [
        "NOT MEASURED: half of them left late",
        "FAILED: --fail-if 'total.p99 > 1s': s3 1,200.0 ms, bound 1,000.0 ms",
    ]
