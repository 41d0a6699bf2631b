"""Which code blocks of the documentation are run, which are not and why; `tests/site/snippets.py` runs them."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from support.snippets import PAGES, ROOT, RUN, blocks_of, matches, parse

NOT_RUN = {
    "README.md": 2,  # .ci/run runs them
    "docs/first-run.md": 3,
    "docs/how-to/shared-queue.md": 1,
    "docs/infra.md": 3,
    "docs/reliability.md": 11,  # campaigns, whose small forms tests/crash and tests/simulation run
    "docs/schedule.md": 2,
    "docs/shards.md": 1,
}
"""Blocks that `tests/site/snippets.py` does not run: one more needs its reason here and in its page."""
SHOWN = ("text", "ini")
"""Languages of blocks that are read by people: pictures, what was printed, other programs' files."""
COMMAND = re.compile(r"^(\$ |fanout |python3? |pip |aws |\.venv/bin/)", re.MULTILINE)


@pytest.fixture(scope="module")
def blocks():
    """Every block of every page; a second's work, which each worker would do if it collected them."""
    return [block for page in PAGES for block in blocks_of(page)]


def test_what_is_not_run_is_counted(blocks):
    found = Counter(block.page for block in blocks if block.not_run is not None)
    assert found == NOT_RUN
    assert sum(block.language in RUN and block.not_run is None for block in blocks) > 60


def test_what_is_not_run_has_its_reason(blocks):
    reason = re.compile(r"(AWS|a scheduler's line|campaigns of minutes to hours|\.ci/run runs)\b")
    for block in (block for block in blocks if block.not_run is not None):
        assert reason.match(block.not_run), block.place
        if block.not_run.startswith("AWS"):
            listed = (ROOT / "docs" / "explanation" / "unconfirmed.md").read_text()
            commands = re.findall(r"^(aws [\w-]+ [\w-]+)", block.text, re.MULTILINE)
            assert commands, block.place
            assert {command for command in commands if f"- `{command}`" not in listed} == set()


def test_each_block_says_what_it_is(blocks):
    assert [block.place for block in blocks if block.indented or block.language not in (*RUN, *SHOWN)] == []


def test_no_command_hides_in_a_block_that_is_not_run(blocks):
    shown = [block for block in blocks if block.language in SHOWN and not block.output]
    assert [block.place for block in shown if COMMAND.search(block.text)] == []


def test_blocks_are_found_with_what_is_said_of_them():
    page = """# One

<!-- not run: AWS: nothing here -->
```sh
aws iam list-roles
```

```sh
fanout run
```

- an item

  <!-- exit: 0 or 3 -->
  ```toml title="job.toml"
  [pacing]
  ```

<!-- before: touch a -->
<!-- before: touch b -->

```sh
ls
```

<!-- output -->
```text
a … b
```

    indented
"""
    found = list(parse(page, page="one.md"))
    assert [(block.language, block.line) for block in found] == [
        ("sh", 4), ("sh", 8), ("toml", 15), ("sh", 22), ("text", 27), ("sh", 31),
    ]  # fmt: skip
    assert [block.not_run for block in found] == ["AWS: nothing here", *[None] * 5]
    assert (found[2].title, found[2].exits) == ("job.toml", {0, 3})
    assert found[3].before == ("touch a", "touch b")
    assert [block.output for block in found] == [False] * 4 + [True, False]
    assert found[5].indented


def test_a_word_on_the_page_is_of_all_blocks_after_it():
    page = "```sh\na\n```\n\n<!-- not run on this page: campaigns -->\n\n```sh\nb\n```\n\ntext\n\n```sh\nc\n```\n"
    assert [block.not_run for block in parse(page, page="one.md")] == [None, "campaigns", "campaigns"]


@pytest.mark.parametrize(
    ("expected", "printed", "found"),
    [
        ("a … c", "x a\n  b  c y", True),
        ("a c", "a b c", False),
        ("40 rows", "140 rows of  40\nrows", True),
        ("…nothing", "some", False),
    ],
)
def test_what_is_printed_is_compared_but_for_what_is_left_out(expected, printed, found):
    assert matches(expected, printed) is found
