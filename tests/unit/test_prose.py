"""What is written stays true and plain: names in the documents exist, docstrings are short, retired words stay away."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import fanout
from fanout.engine.open_row import TRANSITIONS, State

ROOT = Path(__file__).parents[2]
HOUSE = Path(fanout.__file__).parent
GUIDES = ("CONTRIBUTING.md", "docs/architecture.md")
PAGES = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
MODULES = sorted(HOUSE.rglob("*.py"))

PLAIN = (
    "analysis", "api", "aws", "bench", "cli", "commands", "concurrency", "config", "domain", "engine", "errors.py",
    "failpoints.py", "files.py", "observability", "output", "ports.py", "report", "rundir", "runtime", "shards",
    "simulator", "testing.py", "text.py",
)  # fmt: skip
"""Rooms whose prose has been gone over: retired words may not come back, docstrings begin with a sentence."""

RETIRED = {
    "ledger": "OpenRows, open rows",
    "scribe": "JournalWriter",
    "conductor": "Runner",
    "fleet": "ProcessExecutor, processes",
    "heartbeat": "status file",
    "mailbox": "run queue",
    "relay": "LogRelay alone",
    "wakeup": "Notify",
    "lanes?": "channel",
    "fates?": "uncertain",
    "hearsay": "unconfirmed notice",
    "doubted": "uncertain",
    "parked": "deferred",
    "intake": "admit",
    "whoever|nobody|somebody": "who acts, by name",
    "(?:goes?|going|rest) by s3": "via S3",
}
"""Words that were given up, and what stands for them now."""

KEPT = (
    *(
        (f"shards/{name}.py", "relay") for name in ("launcher", "processes", "ray", "work")
    ),  # variables that hold a LogRelay
)
"""Texts of a file that hold a retired word for good; the rest of their lines is searched like any other."""

PATH = re.compile(r"(?<![\w./-])\.?[\w-]+(?:/[\w.-]*)+|(?<![\w./-])[\w-]+\.(?:py|md|toml|json|yml)\b")
LOGGER = re.compile(r"fanout(?:\.[a-z_0-9]+)+")
CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def quoted(page):
    """Return what stands in backticks on a page, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL))


@cache
def source():
    return {path: path.read_text(encoding="utf-8") for path in MODULES}


@cache
def files():
    skipped = (".venv", ".git", "out")
    return frozenset(
        path.name for path in ROOT.rglob("*.*") if path.relative_to(ROOT).parts[0] not in skipped
    )


def exists(name):
    """Whether `name` is a path of the repository, or the bare name of a file somewhere in it."""
    return (ROOT / name).exists() if "/" in name else name in files()


@pytest.mark.parametrize("page", GUIDES)
def test_every_path_in_a_guide_exists(page):
    blocks = re.findall(r"```.*?```", text_of(page), flags=re.DOTALL)
    named = {path for text in (*quoted(page), *blocks) for path in PATH.findall(text)}
    no_files = {"status.json", "I/O"}  # a run makes the one, the other is a word
    assert len(named) > 15
    assert {path for path in named - no_files if not exists(path)} == set()


@pytest.mark.parametrize("page", GUIDES)
def test_every_command_in_a_guide_can_be_given(page):
    """Its script is there and knows its flags."""
    commands = [text.split() for text in quoted(page) if text.startswith(("python ", "pytest "))]
    for program, target, *arguments in commands:
        if target == "-m":
            module, *_ = arguments
            path = ROOT / module.replace(".", "/")
            here = path.is_dir() or path.with_suffix(".py").is_file()
            assert here or module in text_of("pyproject.toml"), module
            continue
        assert (ROOT / target).exists(), target
        flags = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        if program == "python":
            known = text_of(target)
            shared = re.findall(r"^from support\.(\w+) import", known, flags=re.MULTILINE)
            known += "".join(text_of(f"tests/support/{name}.py") for name in shared)
            assert {flag for flag in flags if f'"{flag}"' not in known} == set(), target
        else:
            assert flags <= {"--hypothesis-profile"}, flags


@pytest.mark.parametrize("page", GUIDES)
def test_every_module_and_class_in_a_guide_exists(page):
    names = quoted(page)
    loggers = {name for name in names if LOGGER.fullmatch(name) and name != "fanout.rows"}
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES}
    assert loggers <= modules, loggers - modules
    classes = {name for name in names if CLASS.fullmatch(name)} - {"Raises"}
    defined = {
        found for text in source().values() for found in re.findall(r"^class (\w+)", text, re.MULTILINE)
    }
    assert classes <= defined, classes - defined


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text_of(page))
    local = {one or other for one, other in targets if "://" not in (one or other)}
    assert {target for target in local if not ((ROOT / page).parent / target).exists()} == set()


@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_is_short(page):
    limits = {"CONTRIBUTING.md": 150, "docs/architecture.md": 200}
    assert len(text_of(page).splitlines()) < limits[page]


def test_the_documented_layers_are_the_contracts():
    """The picture of the packages is the list that lint-imports checks."""
    contract = re.search(r"^layers = \[\n(.*?)^\]", text_of("pyproject.toml"), re.DOTALL | re.MULTILINE)
    layers = re.findall(r'^  "([^"]+)",$', contract[1], re.MULTILINE)
    drawn = re.search(r"## The packages\n.*?```text\n(.*?)```", text_of("docs/architecture.md"), re.DOTALL)
    found = [re.split(r"\s{2,}", line.strip())[0] for line in drawn[1].splitlines()]
    assert found == [layer.removesuffix(" | _version") for layer in layers]


def test_the_documented_states_are_the_table():
    """The picture of a row's states has every state, in order, with the states that may follow."""
    section = text_of("docs/architecture.md").partition("## The states of a row")[2].partition("\n## ")[0]
    drawn = re.findall(r"^   ([A-Z]+)(?: +──▶ ([A-Z, ]+?))?  +\S", section, re.MULTILINE)
    assert [state for state, _ in drawn] == [state.name for state in State]
    for state, following in drawn:
        assert set(following.split(", ")) - {""} == {each.name for each in TRANSITIONS[State[state]]}, state


def test_every_module_says_what_it_does_in_at_most_six_lines():
    docs = {path: ast.get_docstring(ast.parse(text)) or "" for path, text in source().items()}
    long = {str(path.relative_to(HOUSE)) for path, doc in docs.items() if not 1 <= len(doc.splitlines()) <= 6}
    assert long == set()


@pytest.mark.parametrize("room", PLAIN)
def test_a_modules_first_sentence_says_what_it_does(room):
    """A verb in the third person comes first ("Writes outcomes ..."); nothing enters, nothing leaves."""
    for path in (path for path in MODULES if path.relative_to(HOUSE).parts[0] == room):
        doc = ast.get_docstring(ast.parse(source()[path])) or ""
        assert re.match(r"[A-Z][a-z]+s ", doc), f"{path}: {doc.splitlines()[0]}"
        assert not re.search(r"\b(Enters?|Leaves?)\b|\benters?, |\bleaves?\.$", doc, re.MULTILINE), path


def test_files_that_a_docstring_names_exist():
    named = {
        (str(path.relative_to(HOUSE)), name)
        for path, text in source().items()
        if path.relative_to(HOUSE).parts[0] in PLAIN
        for name in re.findall(r"`([\w./-]+(?:/|\.py|\.md))`", ast.get_docstring(ast.parse(text)) or "")
    }
    assert ("ports.py", "simulator/ports/") in named
    assert {found for found in named if not (exists(found[1]) or (HOUSE / found[1]).exists())} == set()


def test_retired_words_stay_away():
    # One pattern for all: the house is read once, and most lines hold none of them.
    retired = re.compile(rf"\b(?:{'|'.join(f'({word})' for word in RETIRED)})\b(?!-)", re.IGNORECASE)
    instead = [*RETIRED.values()]
    here = [path for path in MODULES if path.relative_to(HOUSE).parts[0] in PLAIN]
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/**/*.*"), ROOT / "CONTRIBUTING.md"]
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()} (say {instead[match.lastindex - 1]})"
        for path in (*here, *pages)
        if path.suffix in {".py", ".md", ".toml", ".yml", ".json"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in retired.finditer(without_kept(path, line))
    }
    assert found == set()


def without_kept(path, line):
    for file, text in KEPT:
        if path == HOUSE / file:
            line = line.replace(text, "")
    return line


@pytest.mark.parametrize(("file", "text"), KEPT)
def test_what_is_kept_of_the_retired_words_is_still_there(file, text):
    assert text in source()[HOUSE / file]
    assert any(re.search(rf"\b(?:{word})\b", text) for word in RETIRED)
