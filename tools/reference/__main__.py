"""Writes the pages of docs/reference/ and docs/config.schema.json from the code; with --check fails if they differ.

python -m tools.reference
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fanout.commands.schema import config_schema
from tools.reference.codes import error_codes, exit_codes
from tools.reference.command_line import commands
from tools.reference.configuration import configuration
from tools.reference.python_api import python
from tools.reference.simulator import simulator

ROOT = Path(__file__).parents[2]
MADE = "<!-- Written by `python -m tools.reference` from the code: change it there. -->"


def pages() -> dict[str, str]:
    """Return each page by its path below docs/."""
    made = {
        "configuration": configuration(),
        "commands": commands(),
        "exit-codes": exit_codes(),
        "error-codes": error_codes(),
        "simulator": simulator(),
        "python": python(),
    }
    texts = {f"reference/{name}.md": f"{MADE}\n\n{text.rstrip()}\n" for name, text in made.items()}
    return texts | {"config.schema.json": f"{json.dumps(config_schema(), indent=2)}\n"}


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not current")
    parser.add_argument("--root", type=Path, default=ROOT / "docs", help="directory of the pages")
    options = parser.parse_args()
    stale = []
    for name, text in pages().items():
        path = options.root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if options.check and stale:
        sys.stderr.write(f"not current: {', '.join(stale)}: run python -m tools.reference\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
