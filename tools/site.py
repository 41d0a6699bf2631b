"""Lets the site have the links that the repository has: a hook of mkdocs (`hooks` in mkdocs.yml).

A page in docs/ may link to a file outside of docs/. An example of configs/ is copied beside the pages, as a download;
of any other file the link's text alone stays, since the site does not have it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[(?P<text>[^]]+)\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")
COPIED = "configs/"


def on_files(files: Files, *, config: Any) -> Files:
    """Add the examples that pages link to."""
    for page in list(files.documentation_pages()):
        for link in LINK.finditer(page.content_string):
            path = _in_repository(page.src_uri, link["target"])
            if path.startswith(COPIED) and files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_more: Any) -> str:
    """Return a page whose links stay within the site."""

    def within(link: re.Match[str]) -> str:
        path = _in_repository(page.file.src_uri, link["target"])
        if path.startswith("docs/"):
            return link[0]
        if path.startswith(COPIED):
            return f"[{link['text']}]({posixpath.relpath(path, posixpath.dirname(page.file.src_uri) or '.')})"
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {link[0]} leads nowhere")
        return link["text"]

    return LINK.sub(within, markdown)


def _in_repository(page: str, target: str) -> str:
    """Return the path from the repository's root of what a page of docs/ links to."""
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
