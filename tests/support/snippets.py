"""Finds the code blocks of the documentation's pages, and what their comments say of how they are run.

A comment before a block has no effect on the page: `not run: WHY`, `not run on this page: WHY` (all that follow),
`exit: 0 or 3`, `before: COMMAND` (run first, unseen), `output` (what the block before printed; … stands for anything).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
RUN = ("sh", "python", "pycon", "toml", "json")
"""Languages of blocks that are run, or read by what reads them."""
_SAYS = re.compile(r"<!-- *(not run on this page|not run|exit|before|output)(?:: *(.*?))? *-->", re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    """One code block.

    Attributes:
        page: Where it stands, from the repository's root.
        line: The line that it begins at.
        language: What is written behind its fence; `sh` of an indented block, empty without a fence's word.
        indented: It has no fence.
        title: The file that it is the content of, None for none.
        not_run: Why it is not run, None for one that is.
        exits: The exit codes that it may end with.
        before: Commands to run before it.
        output: It is what the block before printed.
    """

    page: str
    line: int
    language: str
    text: str
    indented: bool = False
    title: str | None = None
    not_run: str | None = None
    exits: frozenset[int] = frozenset({0})
    before: tuple[str, ...] = field(default=())
    output: bool = False

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    return list(parse(page.read_text(encoding="utf-8"), page=str(page.relative_to(ROOT))))


def parse(text: str, *, page: str) -> Iterator[Block]:
    """Yield the code blocks of Markdown."""
    all_of_page: str | None = None
    said: list[tuple[str, str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            for kind, words in _SAYS.findall(token.content):
                if kind == "not run on this page":
                    all_of_page = words
                else:
                    said.append((kind, words))
            continue
        if token.type in {"fence", "code_block"}:
            assert token.map is not None
            told = dict(said)
            language, _, more = token.info.strip().partition(" ")
            title = _TITLE.search(more)
            yield Block(
                page=page,
                line=token.map[0] + 1,
                language="sh" if token.type == "code_block" else language,
                text=token.content,
                indented=token.type == "code_block",
                title=title[1] if title else None,
                not_run=told.get("not run", all_of_page),
                exits=frozenset(map(int, re.findall(r"\d+", told.get("exit", "0")))),
                before=tuple(words for kind, words in said if kind == "before"),
                output="output" in told,
            )
        if token.level == 0 and token.nesting <= 0:
            said = []


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` holds `expected`, where … stands for anything and white space counts once."""
    words = [re.escape(" ".join(part.split())) for part in expected.split("…")]
    return re.search(".*?".join(words), " ".join(printed.split())) is not None
