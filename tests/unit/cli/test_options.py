"""What a verb gets of its command line, by way of the table of flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from fanout.cli.options import from_flags
from fanout.config.flags import BENCH, RESUME, RUN, Flag
from fanout.config.load import load_config
from fanout.errors import UsageError

GIVEN = {"text": "x", "int": "7", "float": "7.5", "names": "a, b", "paths": "a", "on": None, "off": None}
GOT = {"text": "x", "int": 7, "float": 7.5, "names": ["a", "b"], "paths": ["a"], "on": True, "off": False}


@dataclass(frozen=True)
class How:
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing.")] = False


@pytest.fixture
def call():
    """Run a verb of these flags; return what it got."""

    def run(flags, *arguments):
        got = []

        @from_flags(flags)
        def verb(*, config: int = 0, flags: dict, how: How) -> None:
            """Say it."""
            got.append((config, flags, how.quiet))

        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        app.command()(verb)
        app(list(arguments), standalone_mode=False)
        return got

    return run


@pytest.mark.parametrize("flag", {flag.key: flag for flag in (*RUN, *RESUME, *BENCH)}.values(), ids=str)
def test_each_flag_sets_its_key(call, flag):
    value = GIVEN[flag.kind]
    words = [*([] if flag.kind == "paths" else [flag.option]), *([] if value is None else [value])]
    section, key = flag.key.split(".")
    assert call([flag], *words) == [(0, {section: {key: GOT[flag.kind]}}, False)]


def test_without_a_flag_nothing_is_said(call):
    assert call(RUN) == [(0, {}, False)]


def test_a_verb_has_options_of_its_own_beside_them(call):
    got = call(RUN, "-q", "a", "--rate", "5", "b", "-o", "out.parquet", "--config", "3")
    sections = {"input": {"paths": ["a", "b"]}, "pacing": {"rate": 5.0}, "output": {"path": "out.parquet"}}
    assert got == [(3, sections, True)]


def test_a_field_without_a_default_is_required():
    @dataclass(frozen=True)
    class Needs:
        budget: Annotated[int, typer.Option("--budget")]

    def verb(*, flags, needs) -> None:
        got.append((flags, needs))

    got = []
    verb.__annotations__ = {"needs": Needs}
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(from_flags([])(verb))
    app(["--budget", "3"], standalone_mode=False)
    assert got == [({}, Needs(3))]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - click's or typer's, by the version
        app([], standalone_mode=False)
    assert "--budget" in caught.value.format_message()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--raet", "5"], "--rate"),
        (["--no-local"], "--no-local"),
        (["--keep"], "--keep"),
    ],
)
def test_a_wrong_word_is_named_by_its_flag(call, words, said):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - click's or typer's, by the version: main() shows either
        call(RUN, *words)
    assert said in caught.value.format_message()


def test_what_is_no_number_is_left_to_the_configuration_which_tells_all_that_is_wrong_at_once(call):
    [(_, sections, _)] = call(RUN, "--rate", "fast", "--window", "1.5", "--limit", "7")
    assert sections == {"pacing": {"rate": "fast", "window": "1.5"}, "input": {"limit": 7}}
    with pytest.raises(UsageError) as caught:
        load_config(None, environ={}, flags=sections)
    assert caught.value.lines == (
        'pacing.rate (--rate) = "fast": should be a number',
        'pacing.window (--window) = "1.5": should be a whole number',
    )


def test_help_stands_in_the_order_of_the_signature(call, capsys):
    call([Flag("rate", "pacing.rate", "float", "How fast.", short="-r", metavar="N")], "--help")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    options = [line for line in lines if line and line[0].startswith("-")]
    assert [line[0].rstrip(",") for line in options] == ["--config", "-r", "-q", "--help"]
    assert options[1] == ["-r,", "--rate", "N", "How", "fast."]
