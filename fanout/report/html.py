"""Writes the report as one HTML file without outside references: readable without scripts, live with them, on paper.

It takes a `Report` and returns text. Jinja escapes every string that comes from a file; its scripts and styles are ours
alone, which the page's own policy makes sure of.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from dataclasses import replace
from importlib.resources import files

import markupsafe
from jinja2 import Environment, PackageLoader, StrictUndefined

from fanout._version import __version__
from fanout.report import tables
from fanout.report.answers import answers
from fanout.report.document import Report
from fanout.report.figures.drawing import Drawn, drawings, library
from fanout.report.glossary import TERMS
from fanout.report.sections import sections
from fanout.report.table import NAMES, Table
from fanout.text import escape

FILES_NAMED = 5
_WAYS = {name: way for way, name in NAMES.items()}
_VERDICTS = {"passed": "good", "FAILED": "bad", "NOT MEASURED": "bad", "slower": "bad", "faster": "good"}


def html(report: Report) -> str:
    """Return the page."""
    found = drawings(report)
    by_section: defaultdict[str, list[Drawn]] = defaultdict(list)
    for each in found:
        by_section[each.figure.section].append(each)
    script = f"{library()}\n{_own('page.js')}".replace("</script", "<\\/script")
    pages = Environment(
        loader=PackageLoader("fanout.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    pages.filters["prose"] = _prose
    return pages.get_template("page.html.j2").render(
        title="fanout report" + (" (simulated)" if report.simulated else ""),
        simulated=report.simulated,
        files=[escape(file.path) for file in report.files[:FILES_NAMED]],
        more_files=max(0, len(report.files) - FILES_NAMED),
        notes=tables.notes(report),
        tiles=tables.tiles(report),
        answers=[replace(each, answer=escape(each.answer)) for each in answers(report)],
        sections=sections(report),
        figures=by_section,
        glossary=TERMS,
        kinds=_kinds,
        style=_own("page.css"),
        data=_data({each.figure.name: each.figure.live() for each in found}),
        script=script,
        policy=_policy(script),
        version=__version__,
    )


def _prose(text: str) -> markupsafe.Markup:
    """Return a sentence with its commands as code, and no line that begins with a unit."""
    glued = re.sub(r"(?<=\d) (?=(?:%|ms|s|min|h|B|KB|MB)(?!\w))", "\N{NO-BREAK SPACE}", text)
    escaped = str(markupsafe.escape(glued))
    coded = re.sub(r"`([^` ]+)`", r'<code class="word">\1</code>', escaped)
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", coded))  # noqa: S704 - escaped above


def _kinds(table: Table, place: int, text: str = "") -> str:
    """Return the classes of a cell: its column's, and what its text means."""
    kinds = ["t"] if place in table.left else []
    if place in table.wrapped:
        kinds.append("wrap")
    kinds += [known[text] for known in (_WAYS, _VERDICTS) if text in known]
    return " ".join(kinds)


def _data(specs: dict[str, object]) -> str:
    """Return JSON that no parser of HTML takes for the end of its element, or for another."""
    return json.dumps(specs, separators=(",", ":")).replace("<", "\\u003c")


def _policy(script: str) -> str:
    """Return what the page may do: run this script and no other, load nothing, send nothing.

    Vega makes functions of the expressions in a specification; these are ours, as the script is.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}' 'unsafe-eval'; "
        "base-uri 'none'; form-action 'none'"
    )


def _own(name: str) -> str:
    return files("fanout.report").joinpath("page", name).read_text(encoding="utf-8")
