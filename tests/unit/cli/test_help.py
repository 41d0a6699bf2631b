"""What `--help` shows: groups, defaults, exit codes; and what a shell completes."""

from __future__ import annotations

import pytest

from fanout.cli.app import main
from fanout.cli.options import GROUPS
from fanout.config.flags import BENCH, RETRY, RUN
from fanout.config.model import Config


@pytest.fixture
def said(capsys):
    """Return what a command line prints, and its exit code."""

    def call(*words):
        with pytest.raises(SystemExit) as leaving:
            main(list(words))
        return capsys.readouterr().out, leaving.value.code

    return call


def sections(text):
    """The sections of a help, by title, each as its words."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            lines = found[line[:-1]] = []
        elif found:
            lines.append(line)
    return {title: " ".join(" ".join(lines).split()) for title, lines in found.items()}


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_options_stand_in_groups_with_their_defaults(said, word):
    text, code = said("run", word)
    found = sections(text)
    assert code == 0
    assert list(found) == [
        "Arguments",
        *dict.fromkeys(title for section, title in GROUPS.items() if section != "bench"),
        "Options",
        "Exit codes",
    ]
    assert "--concurrency N Requests in flight at once. [default: 64]" in found["Sending"]
    assert found["Output"].startswith("-o, --output TEXT Parquet file")
    assert "--help" in found["Options"]
    assert found["Exit codes"].startswith("0 every row succeeded 1 a bug")


def test_each_verb_says_its_own_exit_codes(said):
    assert sections(said("plan", "-h")[0])["Exit codes"].startswith("0 every row would be sent")
    assert sections(said("infra", "cfn", "-h")[0])["Exit codes"].endswith("2 usage")
    text, _ = said("-h")
    assert "VERB --help` has the options and the exit codes of a verb." in text


@pytest.mark.parametrize("flag", [*RUN, *BENCH], ids=lambda flag: flag.name)
def test_a_default_in_the_help_is_the_configuration_s(flag):
    section, key = flag.key.split(".")
    value = getattr(getattr(Config(), section), key)
    if flag.name == "seed":
        value = 0  # cli/verbs/bench.py
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    if flag.kind in {"on", "off"} or value in {None, ""}:
        assert not flag.default or " " in flag.default or "RUN" in flag.default, (
            "a default of no value is a sentence"
        )
    else:
        assert flag.default == (f"{value:,}" if isinstance(value, int) else value)


def test_what_an_earlier_run_had_is_no_default_of_the_program(said):
    assert not any(flag.default for flag in RETRY)
    assert "[default: 64]" not in said("retry", "-h")[0]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("fanout re", ["resume", "retry", "report"]),
        ("fanout run --tra", ["--transport"]),
        ("fanout run --transport ", ["auto", "inline", "s3"]),
        ("fanout run --transport in", ["inline"]),
        ("fanout resume r --unknown w", ["wait"]),
        ("fanout infra ", ["iam", "cfn", "queue"]),
    ],
)
def test_a_shell_completes_verbs_options_and_words(said, monkeypatch, line, completed):
    monkeypatch.setenv("_FANOUT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setattr("sys.argv", ["fanout"])
    with_arguments = said()
    assert with_arguments == ("\n".join(completed), 0) or with_arguments == ("\n".join(completed) + "\n", 0)


def test_completion_can_be_installed(said, monkeypatch):
    # Else it looks for the shell that has started the tests.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert "_FANOUT_COMPLETE=complete_zsh" in said("--show-completion", "zsh")[0]


def test_the_version_tells_the_libraries_too(said):
    import pyarrow as pa

    import fanout

    text, code = said("--version")
    assert code == 0
    assert text.splitlines()[0] == f"fanout {fanout.__version__}"
    assert f"pyarrow {pa.__version__}" in text.splitlines()
