"""Sets colours and type of the figures: matplotlib draws in stand-in colours, which become CSS variables of the page.

One drawing serves light, dark and print; `page.css` says what each name looks like. Dashes repeat what colours say,
for readers who do not see them and for printers that have none.
"""

from __future__ import annotations

import re
from typing import Any

STANDINS = {
    "ink": "#010101",
    "muted": "#020202",
    "grid": "#030303",
    "paper": "#040404",
    "inline": "#050505",
    "s3": "#060606",
    "existing": "#070707",
    "wait": "#080808",
    "upload": "#090909",
    "invoke": "#0a0a0a",
    "service": "#0b0b0b",
    "notify": "#0c0c0c",
    "fetch": "#0d0d0d",
}
DASHES: dict[str, Any] = {"inline": "solid", "s3": (0, (5, 1.5)), "existing": (0, (1.5, 1.5))}
MARKERS = {"inline": "o", "s3": "s", "existing": "^"}
NAMES = {"inline": "inline", "s3": "S3", "existing": "S3, there before"}

RC: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the reader's own font
    "font.size": 9,
    "axes.edgecolor": STANDINS["muted"],
    "axes.labelcolor": STANDINS["muted"],
    "axes.titlecolor": STANDINS["ink"],
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": STANDINS["grid"],
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "xtick.color": STANDINS["muted"],
    "ytick.color": STANDINS["muted"],
    "text.color": STANDINS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "axes.linewidth": 0.7,
}

_FONT = re.compile(r'font-family:[^;"]*')
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", re.DOTALL)
_IDS = re.compile(r'(\bid="|url\(#|href="#)')


def themed(svg: str, *, name: str, label: str) -> str:
    """Return matplotlib's SVG as an element of the page: no prolog, no metadata, own ids, CSS colours, a label.

    Args:
        svg: What `savefig` wrote.
        name: Unique on the page.
        label: What a screen reader says of it.
    """
    body = svg[svg.index("<svg") :]
    body = _DROPPED.sub("", body)  # a style inside an inline SVG would hold for the whole page
    body = _IDS.sub(rf"\g<1>{name}-", body.replace("xlink:href", "href"))
    body = _FONT.sub("font-family: var(--sans)", body)
    for role, standin in STANDINS.items():
        body = body.replace(standin, f"var(--{role})")
    box = re.search(r'viewBox="[^"]*"', body)
    assert box is not None, "savefig always writes a viewBox"
    head = f'<svg id="{name}" role="img" aria-label="{label}" {box[0]}>'
    body = re.sub(r"<svg[^>]*>", head, body, count=1)
    return re.sub(r"\n\s*", "\n", body).strip()
