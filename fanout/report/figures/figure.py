"""Holds one figure: what it shows, as a specification that the page draws again when a pointer comes near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from fanout.report.figures.theme import Spec, colour

ZOOM: Spec = {
    "name": "zoom",
    "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.shiftKey]", "clear": "dblclick"},
    "bind": "scales",
}
"""Shift and wheel zoom, dragging moves, a double click goes back; the wheel alone scrolls the page."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: Unique on the page.
        section: Where it stands.
        title: Above it.
        label: What a screen reader says of it.
        caption: Below it; empty for none.
        spec: Vega-Lite, without a width.
        hover: Fields that a pointer is told, with their names; empty where marks are few and tell it themselves.
        points: Which of its layers, by their place, the pointer is told of.
        small: One of several of its kind, side by side.
        zooms: Whether its x axis can be zoomed.
    """

    name: str
    section: str
    title: str
    label: str
    spec: Spec
    caption: str = ""
    hover: Mapping[str, str] | None = None
    points: int = 0
    small: bool = False
    zooms: bool = True

    def live(self) -> Spec:
        """Return the specification for a page with scripts: what a pointer is told, and how the axis zooms."""
        spec = deepcopy(self.spec)
        spec["width"] = "container"
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
        if self.zooms:
            spec["layer"][self.points].setdefault("params", []).append(ZOOM)
        if self.hover:
            spec["layer"].append(_pointed(spec["layer"][self.points], self.hover))
        return spec

    def still(self, width: int) -> Spec:
        """Return the specification of a picture of so many pixels."""
        return {**self.spec, "width": width, "autosize": {"type": "fit-x", "contains": "padding"}}


def told(fields: Mapping[str, str]) -> Sequence[Spec]:
    """Return what a pointer on a mark is told: fields and their names."""
    return [{"field": field, "title": title, **_form(field)} for field, title in fields.items()]


def _form(field: str) -> Spec:
    if field in {"way", "series", "phase", "label", "p999"}:
        return {"type": "nominal"}
    return {"type": "quantitative", "format": ",.6~g" if field == "share" else ",.4~r"}


def _pointed(layer: Spec, fields: Mapping[str, str]) -> Spec:
    """Return the layer that shows the point nearest to a pointer, and tells its values."""
    encoding = {name: layer["encoding"][name] for name in ("x", "y") if name in layer["encoding"]}
    return {
        "data": layer.get("data"),
        "mark": {"type": "point", "filled": True, "size": 70, "color": colour("ink")},
        "params": [
            {
                "name": "near",
                "select": {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"},
            }
        ],
        "encoding": {
            **encoding,
            "opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0},
            "tooltip": told(fields),
        },
    }
